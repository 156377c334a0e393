"""A text file as lines: its encoding checked, unwanted characters refused, lines ended as editors end them."""

from __future__ import annotations

import re
import shlex
import unicodedata
from pathlib import Path

from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.files import GZIP, compare, opened

# Of the uncompressed file, which is held in memory while it is read, and of its lines.
LARGEST_TEXT, MOST_LINES = 2**28, 2**23
# The first bytes of files that are not text in UTF-8: what they are, and the command that converts them.
BEGINNINGS = {
    b"\xff\xfe\x00\x00": ("UTF-32", "iconv -f utf-32 -t utf-8"),
    b"\x00\x00\xfe\xff": ("UTF-32", "iconv -f utf-32 -t utf-8"),
    b"\xff\xfe": ("UTF-16", "iconv -f utf-16 -t utf-8"),
    b"\xfe\xff": ("UTF-16", "iconv -f utf-16 -t utf-8"),
    b"PK\x03\x04": ("a zip archive (or a document of an office program)", "unzip"),
    b"BZh": ("compressed by bzip2", "bzip2 -dk"),
    b"\xfd7zXZ": ("compressed by xz", "xz -dk"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "zstd -dk"),
    b"7z\xbc\xaf": ("a 7z archive", "7z x"),
    b"%PDF-": ("a PDF", "pdftotext"),
    GZIP: ("gzipped twice", "gzip -dk"),
}
CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")  # all but tab, line feed, form feed, carriage return
# Invisible ones make two words of one, and the last stands where a program could not read what was there. Joiners and
# marks of direction are left to the scripts that need them.
MISPLACED = re.compile("[\u00ad\u200b\u2060\ufeff\ufffd]")
REPLACEMENT = "\ufffd"
BEFORE_BAD, AFTER_BAD = 20, 20
C1_OF_WINDOWS = range(0x80, 0xA0)


def lines(path: Path, checksum: str | None, blank: bool = False, expected: str = "one sentence per line") -> list[str]:
    """The lines of a text in UTF-8, `blank` ones only if asked for; DescriptionError for anything else, where there are
    none with what is expected.

    A line ends at a line feed, a carriage return, or both: other characters that Unicode calls separators end none.
    """
    with opened(path) as file:  # what a gzipped file holds beyond the limit is not unpacked
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise too_long(path, f"{LARGEST_TEXT:,} bytes uncompressed")
    if content.count(b"\n") + content.count(b"\r") > MOST_LINES:
        raise too_long(path, f"{MOST_LINES:,} lines")
    compare(content, path, checksum)
    text = _decoded(content, path).replace("\r\n", "\n").replace("\r", "\n")
    _refuse_control_characters(text, path)
    _refuse_misplaced_characters(text, path)
    sentences = [line for line in text.removesuffix("\n").split("\n") if blank or line.strip()]
    if not any(line.strip() for line in sentences):
        raise DescriptionError("contains no text", source=str(path), expected=expected)
    return sentences


def too_long(path: Path, most: str) -> DescriptionError:
    """The error of a text that would take too much memory."""
    part = _quoted(path.with_suffix(".part.txt"))
    return DescriptionError(
        "the text is too long",
        source=str(path),
        expected=f"up to {most}",
        hint=f"a part of it: zcat -f {_quoted(path)} | head -c 50M | iconv -c -f utf-8 -t utf-8 > {part}",
    )


def _decoded(content: bytes, path: Path) -> str:
    for beginning, (kind, command) in BEGINNINGS.items():
        if content.startswith(beginning):
            to = f" > {_quoted(path)}.utf8" if "iconv" in command else ""
            raise DescriptionError(
                f"is {'in ' if kind.startswith('UTF') else ''}{kind}",
                source=str(path),
                expected="text in UTF-8, plain or gzipped",
                hint=f"{command} {_quoted(path)}{to}, and that file",
            )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise _not_utf8(content, problem.start, path) from None


def _not_utf8(content: bytes, place: int, path: Path) -> DescriptionError:
    """Bytes do not reveal their encoding for certain: the error shows what the most common one makes of them."""
    start = max(content.rfind(b"\n", 0, place) + 1, place - BEFORE_BAD)
    part = content[start : place + AFTER_BAD].splitlines()[0]
    decoded = part.decode("windows-1252", errors="replace")
    return DescriptionError(
        "is not text in UTF-8",
        source=f"{path}, line {content[:place].count(bytes([10])) + 1}",
        found=content[place : place + 8],
        expected="UTF-8",
        hint=f"iconv -f ENCODING -t utf-8 {_quoted(path)} > {_quoted(path)}.utf8, with the encoding in which it was "
        f"written; windows-1252 reads this place as {decoded!r}",
    )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _refuse_control_characters(text: str, path: Path) -> None:
    match = CONTROL.search(text)
    if match is None:
        return
    character = match[0]
    hint = f"the file without them: tr -d '\\{ord(character):03o}' < {_quoted(path)} > {_quoted(path)}.clean"
    if character == "\0":
        command = f"iconv -f utf-16le -t utf-8 {_quoted(path)} > {_quoted(path)}.utf8"
        hint = f"{command}, if it is UTF-16 without a mark at its beginning"
    elif ord(character) in C1_OF_WINDOWS:
        hint = "the original file: such characters are left where windows-1252 was converted as if it were latin1"
    raise _unwanted(text, match, path, "a control character, U+{:04X}, which does not belong in text", hint)


def _refuse_misplaced_characters(text: str, path: Path) -> None:
    match = MISPLACED.search(text)
    if match is None:
        return
    character = match[0]
    octal = "".join(f"\\{byte:03o}" for byte in character.encode())
    hint = f"the file without it: sed \"s/$(printf '{octal}')//g\" {_quoted(path)} > {_quoted(path)}.clean"
    if character == REPLACEMENT:
        hint = f"the original file; or {hint}"
        problem = "which stands for characters that could not be read"
    else:
        problem = "which cannot be seen and changes words"
    kind = f"the character U+{{:04X}} ({unicodedata.name(character).lower()}), {problem}"
    raise _unwanted(text, match, path, kind, hint)


def _unwanted(text: str, match: re.Match[str], path: Path, kind: str, hint: str) -> DescriptionError:
    """The error of a character; `kind` takes its number."""
    return DescriptionError(
        f"has {kind.format(ord(match[0]))}",
        source=f"{path}, line {text.count(chr(10), 0, match.start()) + 1}",
        found=text[max(0, match.start() - BEFORE_BAD) : match.start() + AFTER_BAD],
        expected="text in UTF-8",
        hint=hint,
    )
