"""Data files of a protocol: found in a few folders, opened gzipped or not, compared with their checksums."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from neuro_mpc.descriptions.tables import problem
from neuro_mpc.errors import DescriptionError, did_you_mean

MOST_ENTRIES, MOST_SHOWN = 10_000, 8
TORCHVISION = Path("MNIST", "raw")  # where that package keeps the files below the folder it is given
GZIP = b"\x1f\x8b"


def refuse_paths(files: tuple[str, ...], checksums: Mapping[str, str]) -> None:
    """Refuses all but names of files and whole paths, so that none leads out of a folder; checksums of other files."""
    for name in files:
        if not name or "\0" in name or ".." in Path(name).parts or not Path(name).name or name.endswith("/"):
            raise problem(f"{name!r} is not the name of a file", hint="give the folder as data_dir, or the whole path")
    for name in checksums:
        if name not in files:
            raise problem(f"a checksum for {name!r}, which is not used", expected=", ".join(files))


def find(
    names: Sequence[str],
    data_dir: str | None,
    folder: str,
    checksums: Mapping[str, str],
    fetch: Callable[[list[str]], dict[str, Path]] = lambda names: {},
    own_files: tuple[str, str] | None = None,
) -> list[Path]:
    """The paths of the named files: in `data_dir`, or else in $NEURO_MPC_DATA, its `folder`, the folder of downloads,
    the current folder.

    A data_dir is the only place looked at, and that of a whole path its own. `fetch` may download what is missing
    elsewhere and has a checksum, by which it is known to be of that data set: name → path. DescriptionError lists
    what is missing and where to put it; `own_files` says which files of the user may be read instead, and by which
    settings.
    """
    folders = _folders(data_dir, folder)
    paths = {name: next(iter(_candidates(folders, name)), None) for name in names}
    missing = [name for name, path in paths.items() if path is None]
    downloaded, failure = {}, ""
    if missing and not data_dir and all(name in checksums for name in missing):
        try:
            downloaded = fetch(missing)
        except (OSError, ValueError) as error:  # no network, or not the file of the checksum
            failure = f"; their download failed: {next(iter(str(error).splitlines()), type(error).__name__)}"
    if missing and not downloaded:
        raise _missing(missing, checksums, folders, failure, own_files)
    return [paths[name] or downloaded[name] for name in names]


def find_folder(name: str, data_dir: str | None, folder: str) -> Path:
    """The path of a folder of data, in the places where `find` looks for files."""
    folders = _folders(data_dir, folder)
    found = next((path for each in folders if (path := each / Path(name).expanduser()).is_dir()), None)
    if found is None:
        raise _missing([name], {}, folders, "", None)
    return found


def downloads(folder: str) -> Path:
    """Where downloaded files of a data set are kept."""
    import pooch

    return Path(pooch.os_cache("neuro_mpc")) / folder


@contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
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
    if checksum and (digest := hashlib.sha256(content).hexdigest()) != checksum.lower():
        raise DescriptionError(
            "the uncompressed content has another sha256",
            source=str(path),
            found=digest,
            expected=checksum,
            hint="the original file; for another data set --set protocol.stimulus.checksums={}",
        )


def _folders(data_dir: str | None, folder: str) -> list[Path]:
    if data_dir:
        if Path(data_dir).expanduser().is_file():
            raise DescriptionError("is a file", key="data_dir", found=data_dir, expected="the folder of the data")
        return [Path(data_dir).expanduser()]
    shared = os.environ.get("NEURO_MPC_DATA")
    return [*([Path(shared), Path(shared) / folder] if shared else []), downloads(folder), Path()]


def _candidates(folders: list[Path], name: str) -> Iterator[Path]:
    names = (name, f"{name}.gz", name.removesuffix(".gz"))
    for folder in [*folders, *(folder / TORCHVISION for folder in folders)]:  # a whole path stays what it is
        yield from (path for spelling in names if (path := folder / Path(spelling).expanduser()).is_file())
    for folder in folders:
        yield from _other_spellings(folder, name)


def _other_spellings(folder: Path, name: str) -> Iterator[Path]:
    """Files of the same name but for the marks in it, as `train-images.idx3-ubyte`, or in a folder of that name."""
    for path in [*_files(folder), *(path for inner in _folders_in(folder) for path in _files(inner))]:
        if _spelled_plainly(path.name) == _spelled_plainly(name) and _belongs(path, folder, name):
            yield path


def _belongs(path: Path, folder: Path, name: str) -> bool:
    return path.parent == folder or _spelled_plainly(path.parent.name) == _spelled_plainly(name)


def _spelled_plainly(name: str) -> str:
    return re.sub("[._ -]+", "-", name.lower().removesuffix(".gz"))


def _files(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_file()]


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:MOST_ENTRIES]
    except OSError:
        return []


def _missing(
    missing: list[str],
    checksums: Mapping[str, str],
    folders: list[Path],
    failure: str,
    own_files: tuple[str, str] | None,
) -> DescriptionError:
    sums = {name: f", sha256 of the uncompressed file {sum_}" for name, sum_ in checksums.items()}
    lines = [f"{name} (or {name}.gz){sums.get(name, '')}" for name in missing]
    contents = [path.name for folder in folders[:1] for path in _files(folder)]
    if contents:
        listing = ", ".join(contents[:MOST_SHOWN]) + (", …" if len(contents) > MOST_SHOWN else "")
        lines.append(f"{folders[0]} holds {listing}")
    near = did_you_mean(missing[0], dict.fromkeys(path.name for folder in folders for path in _files(folder)))
    elsewhere = (
        "put them there, or name their folder: --set protocol.data_dir=FOLDER or the environment variable "
        "NEURO_MPC_DATA" + (f"; for {own_files[0]} of your own add {own_files[1]}" if own_files else "")
    )
    return DescriptionError(
        f"data files are missing{failure}:\n    " + "\n    ".join(lines),
        key="stimulus",
        expected=f"in {' or '.join(map(str, folders))}",
        hint=f"{near} Else {elsewhere}" if near else elsewhere,
    )
