"""Objects of an HDF5 file that a stranger may have made, reached one by one without leaving the file.

Recordings have symbolic links, references and texts in their own right, and are too large to be examined as a whole, as
run files are. So each object that is read is reached link by link, and read once its data are known to lie in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5t, h5z  # pyright: ignore[reportAttributeAccessIssue]

from neuro_mpc.examination.open_file import open_file
from neuro_mpc.examination.storage import refuse_elsewhere, refuse_packing
from neuro_mpc.examination.texts import longest_text

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_LZF)
KINDS = (h5t.INTEGER, h5t.FLOAT, h5t.ENUM, h5t.STRING)
MOST_LINKS, MOST_NAMES, LARGEST_ATTRIBUTE = 8, 100_000, 2**16


class Inside:
    """The groups and datasets of an open file, by their paths."""

    def __init__(self, file: h5f.FileID, path: Path):
        self._root, self._path, self.size = h5g.open(file, b"/"), path, path.stat().st_size

    def names(self, path: str = "") -> list[str]:
        """What is in a group; nothing where there is no group."""
        group = self._reached(path)
        if group is None or not isinstance(group, h5g.GroupID):
            return []
        if group.get_num_objs() > MOST_NAMES:
            raise ValueError(f"{path} has more than {MOST_NAMES:,} objects")
        found: list[bytes] = []
        group.links.iterate(found.append)
        return [name.decode(errors="replace") for name in found]

    def has(self, path: str) -> bool:
        """Whether there is a dataset at a path."""
        return isinstance(self._reached(path), h5d.DatasetID)

    def dataset(self, path: str) -> h5py.Dataset:
        """A dataset of numbers or texts whose data lie in the file; ValueError where it is no such dataset."""
        found = self._reached(path)
        if found is None or not isinstance(found, h5d.DatasetID):
            raise ValueError(f"{path} is missing" if found is None else f"{path} is no dataset")
        refuse_elsewhere(found, path)
        refuse_packing(found, path, FILTERS)
        if found.get_type().get_class() not in KINDS:
            raise ValueError(f"{path} holds neither numbers nor texts")
        return h5py.Dataset(found)

    def longest_text(self, path: str) -> int | None:
        """Bytes of the longest text of a dataset; None where only reading all of them would tell."""
        return longest_text(self.dataset(path), self._path)

    def attribute(self, path: str, name: str) -> object:
        """The value of an attribute, a number or a text; None where there is none."""
        owner = self._reached(path)
        if owner is None or not h5a.exists(owner, name.encode()):
            return None
        attribute = h5a.open(owner, name.encode())
        if attribute.get_type().get_class() not in KINDS or attribute.get_storage_size() > LARGEST_ATTRIBUTE:
            raise ValueError(f"the attribute {name} of {path} is neither a number nor a text")
        value = (h5py.Group if isinstance(owner, h5g.GroupID) else h5py.Dataset)(owner).attrs[name]
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def _reached(self, path: str) -> h5g.GroupID | h5d.DatasetID | None:
        """The object at a path, by hard links and by symbolic links within the file."""
        at, links, ahead = self._root, 0, path.split("/")
        while ahead:
            name, *ahead = ahead
            if name in ("", "."):
                continue
            if not isinstance(at, h5g.GroupID) or not at.links.exists(name.encode()):
                return None
            kind = at.links.get_info(name.encode()).type
            if kind == h5l.TYPE_SOFT:
                links += 1
                if links > MOST_LINKS:
                    raise ValueError(f"{path} is a chain of more than {MOST_LINKS} links")
                target = at.links.get_val(name.encode()).decode(errors="replace")
                at, ahead = self._root if target.startswith("/") else at, [*target.split("/"), *ahead]
            elif kind == h5l.TYPE_HARD:
                at = h5o.open(at, name.encode())
            else:
                raise ValueError(f"{path} is a link to another file")
        return at


@contextmanager
def opened(path: Path) -> Iterator[Inside]:
    """A file of HDF5, open for reading; ValueError where it is another one, OSError where it cannot be read."""
    with path.open("rb") as raw:
        if raw.read(len(SIGNATURE)) != SIGNATURE:
            raise ValueError("it is no file of HDF5")
    with open_file(path) as file:
        yield Inside(file, path)
