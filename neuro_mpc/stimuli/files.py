"""Data files of a protocol: found in a few folders, opened gzipped or not, compared with their checksums."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from neuro_mpc.descriptions.tables import problem
from neuro_mpc.errors import DescriptionError

GZIP = b"\x1f\x8b"


def refuse_paths(files: tuple[str, ...], checksums: Mapping[str, str]) -> None:
    """Refuses names of files that are paths, and checksums of other files."""
    for name in files:
        if not name or any(mark in name for mark in "/\\\0"):
            raise problem(f"{name!r} is not the name of a file", hint="give the folder as data_dir")
    for name in checksums:
        if name not in files:
            raise problem(f"a checksum for {name!r}, which is not used", expected=", ".join(files))


def find(
    names: Sequence[str],
    data_dir: str | None,
    folder: str,
    checksums: Mapping[str, str],
    fetch: Callable[[list[str]], dict[str, Path]] = lambda names: {},
    own: str = "",
) -> list[Path]:
    """The paths of the named files: in `data_dir`, or else in $NEURO_MPC_DATA, its `folder`, the folder of downloads.

    A data_dir is the only place looked at; `fetch` may download what is missing elsewhere: name → path.
    DescriptionError lists what is missing and where to put it; `own` is a setting that names a file of one's own.
    """
    folders = _folders(data_dir, folder)
    found = {name: next(iter(_candidates(folders, name)), None) for name in names}
    missing = [name for name, path in found.items() if path is None]
    fetched, failure = {}, ""
    if missing and not data_dir:
        try:
            fetched = fetch(missing)
        except (OSError, ValueError) as problem:  # no network, or not the file of the checksum
            failure = f"; their download failed: {next(iter(str(problem).splitlines()), type(problem).__name__)}"
    if missing and not fetched:
        raise _missing(missing, checksums, folders, failure, own)
    return [found[name] or fetched[name] for name in names]


def downloads(folder: str) -> Path:
    """Where downloaded files of a data set are kept."""
    import pooch

    return Path(pooch.os_cache("neuro_mpc")) / folder


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read, uncompressed on the way; DescriptionError that names it where it cannot be read."""
    try:
        with path.open("rb") as raw:
            gzipped = raw.read(2) == GZIP
        with (gzip.open if gzipped else open)(path, "rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise DescriptionError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}",
            source=str(path),
            hint="copy or download the file again",
        ) from None


def compare(content: bytes, path: Path, checksum: str | None) -> None:
    """DescriptionError where the sha256 of a file's uncompressed content is another one."""
    if checksum and (found := hashlib.sha256(content).hexdigest()) != checksum.lower():
        raise DescriptionError(
            "the uncompressed content has another sha256",
            source=str(path),
            found=found,
            expected=checksum,
            hint="the original file; for another data set --set protocol.stimulus.checksums={}",
        )


def _folders(data_dir: str | None, folder: str) -> list[Path]:
    if data_dir:
        return [Path(data_dir).expanduser()]
    shared = os.environ.get("NEURO_MPC_DATA")
    return [*([Path(shared), Path(shared) / folder] if shared else []), downloads(folder)]


def _candidates(folders: list[Path], name: str) -> list[Path]:
    names = (name, f"{name}.gz", name.removesuffix(".gz"))
    return [folder / each for folder in folders for each in names if (folder / each).is_file()]


def _missing(
    missing: list[str], checksums: Mapping[str, str], folders: list[Path], failure: str, own: str
) -> DescriptionError:
    sums = {name: f", sha256 of the uncompressed file {sum_}" for name, sum_ in checksums.items()}
    lines = [f"{name} (or {name}.gz){sums.get(name, '')}" for name in missing]
    return DescriptionError(
        f"data files are missing{failure}:\n    " + "\n    ".join(lines),
        key="stimulus",
        expected=f"in {' or '.join(map(str, folders))}",
        hint="put them there, or name their folder: --set protocol.data_dir=FOLDER or the environment variable "
        "NEURO_MPC_DATA" + (f"; for a file of your own add --set {own}=FILE" if own else ""),
    )
