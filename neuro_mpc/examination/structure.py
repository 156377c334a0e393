"""The structure of an HDF5 file, examined before netCDF opens it: no data are read, followed or unpacked.

HDF5 lets a file refer to others (external storage, external links, virtual datasets), to code (filters are plug-ins)
and to itself (links that form a cycle), and lets a small file ask for much memory (chunks,
attributes) or time (objects).
A run file has none of this.  netCDF follows all of it as it opens a file, so the structure is read through h5py,
which can tell without following.  This takes a few hundredths of a second for a run file; in a process of its own, as
`neuro_mpc.examination.isolation` is, it would take half a second for each member of a sweep.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5r, h5t, h5z  # pyright: ignore[reportAttributeAccessIssue]

from neuro_mpc.examination.limits import MOST_OBJECTS
from neuro_mpc.examination.open_file import open_file
from neuro_mpc.examination.storage import refuse_elsewhere, refuse_packing

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEEPEST, MOST_DIMENSIONS = 8, 16
MOST_ATTRIBUTES, MOST_ATTRIBUTES_TOGETHER = 64, 100_000
LARGEST_ATTRIBUTE, LARGEST_ATTRIBUTES = 2**22, 2**25
FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)
REFERRING = {h5l.TYPE_SOFT: "a symbolic link", h5l.TYPE_EXTERNAL: "a link to another file"}
DIMENSIONS = b"DIMENSION_LIST"
_ONE_AT_A_TIME = threading.Lock()


def examine(path: Path, data: bool = False) -> None:
    """Raises ValueError, with the name of the object, where a file has contents that no run file has.

    data  it is a data set, not a run: variables, and lists in attributes, may hold texts

    Raises OSError or RuntimeError where it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise ValueError("it is no netCDF-4 file")
    with _ONE_AT_A_TIME, open_file(path) as file:
        try:
            _Examination(file, data).all()
        except KeyError as problem:  # from h5py, for objects that cannot be opened
            raise RuntimeError(problem.args[0]) from None


class _Examination:
    """Walks through the objects of a file, and counts."""

    def __init__(self, file: h5f.FileID, data: bool):
        self._file, self._data = file, data
        self._seen: set[int] = set()
        self._attributes = self._attribute_bytes = 0
        self._with_dimensions: list[tuple[str, h5r.Reference]] = []

    def all(self) -> None:
        root = h5g.open(self._file, b"/")
        self._seen.add(h5o.get_info(root).addr)
        self._object(root, "/")
        self._group(root, "", 1)
        for path, owner in self._with_dimensions:
            attribute = h5a.open(h5r.dereference(owner, self._file), DIMENSIONS)
            self._refuse_foreign_dimensions(_of(DIMENSIONS, path), attribute)

    def _group(self, group: h5g.GroupID, path: str, depth: int) -> None:
        if depth > DEEPEST:
            raise ValueError(f"its groups are nested more than {DEEPEST} deep, at {path[:100]}")
        if group.get_num_objs() + len(self._seen) > MOST_OBJECTS:
            raise ValueError(f"it has more than {MOST_OBJECTS:,} groups and variables")
        names: list[bytes] = []
        group.links.iterate(names.append)
        for name in names:
            self._link(group, name, f"{path}/{name.decode(errors='replace')}", depth)

    def _link(self, group: h5g.GroupID, name: bytes, path: str, depth: int) -> None:
        kind = group.links.get_info(name).type
        if kind != h5l.TYPE_HARD:
            raise ValueError(f"{path} is {REFERRING.get(kind, 'a link of a foreign kind')}")
        info = h5o.get_info(group, name)
        if info.addr in self._seen:
            raise ValueError(f"{path} is another name of an object that has one already")
        self._seen.add(info.addr)
        if info.type == h5o.TYPE_NAMED_DATATYPE:
            return
        inner = h5o.open(group, name)
        if info.type == h5o.TYPE_DATASET:
            self._dataset(inner, path)
        self._object(inner, path)
        if info.type == h5o.TYPE_GROUP:
            self._group(inner, path, depth + 1)

    def _dataset(self, dataset: h5d.DatasetID, path: str) -> None:
        refuse_elsewhere(dataset, path)
        kind = dataset.get_type()
        if not (_is_number(kind) or (self._data and kind.get_class() == h5t.STRING)):
            raise ValueError(f"{path} does not hold numbers")
        shape = dataset.shape or ()
        if len(shape) > MOST_DIMENSIONS:
            raise ValueError(f"{path} has {len(shape)} dimensions")
        refuse_packing(dataset, path, FILTERS)

    def _object(self, owner, path: str) -> None:
        """Counts the attributes of an object, and their bytes."""
        number = h5a.get_num_attrs(owner)
        self._attributes += number
        if number > MOST_ATTRIBUTES or self._attributes > MOST_ATTRIBUTES_TOGETHER:
            raise ValueError(f"{path} has {number:,} of {self._attributes:,} attributes, more than any run file")
        names: list[bytes] = []
        h5a.iterate(owner, names.append)  # by their numbers, HDF5 would sort all names for each of them
        if len(set(names)) != number:
            raise ValueError(f"{path} has attributes of the same name")
        for each in names:
            self._count_attribute(h5a.open(owner, each), each, _of(each, path))
            if each == DIMENSIONS:  # were it kept open, HDF5 would look through all that are for each object
                self._with_dimensions.append((path, h5r.create(owner, b".", h5r.OBJECT)))

    def _count_attribute(self, attribute: h5a.AttrID, own_name: bytes, name: str) -> None:
        self._attribute_bytes += (size := attribute.get_storage_size())
        if size > LARGEST_ATTRIBUTE:
            raise ValueError(f"{name} has {size:,} bytes, more than {LARGEST_ATTRIBUTE:,}")
        if self._attribute_bytes > LARGEST_ATTRIBUTES:
            raise ValueError(f"its attributes have more than {LARGEST_ATTRIBUTES:,} bytes")
        if own_name != DIMENSIONS and not self._is_plain(attribute, attribute.get_type()):
            raise ValueError(f"{name} is of a kind that no run file has")

    def _is_plain(self, attribute: h5a.AttrID, kind: h5t.TypeID) -> bool:
        """Numbers, a text, or netCDF's list of the variables that a dimension has."""
        if kind.get_class() == h5t.STRING:  # of variable length only one: many could be one and the same long text
            return self._data or not kind.is_variable_str() or math.prod(attribute.shape or ()) <= 1
        if kind.get_class() == h5t.COMPOUND:
            of_two = kind.get_nmembers() == 2
            return of_two and _is_object(kind.get_member_type(0)) and _is_number(kind.get_member_type(1))
        return _is_number(kind)

    def _refuse_foreign_dimensions(self, name: str, attribute: h5a.AttrID) -> None:
        """A variable's dimensions are references to objects, one each, that have to be in the tree."""
        kind = attribute.get_type()
        length = math.prod(attribute.shape or ())
        if kind.get_class() != h5t.VLEN or not _is_object(kind.get_super()) or length > MOST_DIMENSIONS:
            raise ValueError(f"{name} is no list of dimensions")
        lists: np.ndarray = np.empty(attribute.shape, kind.dtype)
        attribute.read(lists)
        references: np.ndarray
        for references in lists.ravel():
            if len(references) != 1 or self._address(references[0]) not in self._seen:
                raise ValueError(f"{name} leads to what is not in the file's groups")

    def _address(self, reference) -> int | None:
        """The address of the object that a reference leads to; None where there is none."""
        try:
            return h5o.get_info(h5r.dereference(reference, self._file)).addr if reference else None
        except (KeyError, RuntimeError, ValueError):
            return None


def _of(attribute: bytes, path: str) -> str:
    return f"the attribute {attribute.decode(errors='replace')[:100]} of {path}"


def _is_number(kind: h5t.TypeID) -> bool:
    return kind.get_class() in (h5t.INTEGER, h5t.FLOAT)


def _is_object(kind: h5t.TypeID) -> bool:
    """A reference to an object; references of HDF5 1.12 may lead to other files."""
    return kind.get_class() == h5t.REFERENCE and kind.equal(h5t.STD_REF_OBJ)
