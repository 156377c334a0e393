"""Standard streams of commands: characters that an encoding lacks, a closed pipe, a full disk."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from neuro_mpc.errors import RunError


def take_all_letters() -> None:
    r"""A letter that the encoding of a standard stream lacks is written as its number, such as \u03c0, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_result(text: object) -> None:
    """Writes what a command was asked for to standard output; RunError where that takes no more.

    A reader that has left, as `head` does, ends the command without a word.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as problem:
        silence(sys.stdout)
        where = f"standard output cannot be written: {problem.strerror}"
        raise RunError(where, hint="a file in a folder with free space") from problem


def mention(text: object, stream: TextIO | None) -> None:
    """Writes a line that only tells of the work, such as where its result is: where it cannot be written, no matter."""
    print(text, file=ByProduct(stream), flush=True)


def silence(stream: TextIO) -> None:
    """Nothing more is written to a stream, not even when Python flushes at its end what could not be written before."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class ByProduct(io.TextIOBase):
    """A stream for what only tells how the work proceeds: where it takes no more, it is silent."""

    def __init__(self, stream: TextIO | None):
        self._stream = stream

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError("there is no stream")
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._stream is not None:
            known = text.encode(self.encoding, "replace").decode(self.encoding, "replace")
            try:
                self._stream.write(known)
            except (OSError, ValueError) as problem:
                self._silence(problem)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as problem:
                self._silence(problem)

    def _silence(self, problem: Exception) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and isinstance(problem, OSError):
            silence(stream)
