"""Run files with objects of HDF5 that reach outside, ask for much, or are of another kind than expected."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

SECRET = b"0123456789"
Change = Callable[[h5py.File, random.Random, Path], None]


def groups(file: h5py.File) -> list[h5py.Group]:
    found = [file]
    file.visititems(lambda name, each: found.append(each) if isinstance(each, h5py.Group) else None)
    return found


def variables(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    file.visititems(lambda name, each: found.append(each) if isinstance(each, h5py.Dataset) else None)
    return found


def place(file: h5py.File, chance: random.Random, name: str = "leak") -> tuple[h5py.Group, str]:
    """A group, and a name that it lacks."""
    return chance.choice([each for each in groups(file) if name not in each]), name


def freed_place(file: h5py.File, chance: random.Random) -> tuple[h5py.Group, str]:
    """A group, and the name of an object that was in it and is removed."""
    group = chance.choice([each for each in groups(file) if len(each)])
    name = chance.choice([*group.keys()])
    del group[name]
    return group, name


def external_storage(file, chance, outside):
    group, name = place(file, chance)
    group.create_dataset(name, shape=(len(SECRET),), dtype="u1", external=[(str(outside), 0, len(SECRET))])


def external_link(file, chance, outside):
    group, name = place(file, chance)
    group[name] = h5py.ExternalLink(str(outside.with_suffix(".h5")), chance.choice(["/", "/data"]))


def soft_link(file, chance, outside):
    group, name = place(file, chance)
    group[name] = h5py.SoftLink(chance.choice(["/", f"{group.name}/{name}", "/learning", "/nowhere"]))


def virtual_dataset(file, chance, outside):
    group, name = place(file, chance)
    layout = h5py.VirtualLayout(shape=(10,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(outside.with_suffix(".h5")), "data", shape=(10,))
    group.create_virtual_dataset(name, layout)


def growing_virtual_dataset(file, chance, outside):
    group, name = place(file, chance)
    layout = h5py.VirtualLayout(shape=(10,), maxshape=(None,), dtype="f8")
    source = h5py.VirtualSource(str(outside.with_suffix(".h5")), "data", shape=(10,), maxshape=(None,))
    layout[0 : h5py.h5s.UNLIMITED : 1] = source[0 : h5py.h5s.UNLIMITED : 1]
    group.create_virtual_dataset(name, layout)


def second_name(file, chance, outside):
    group, name = place(file, chance)
    group[name] = chance.choice([*groups(file), *variables(file)])


def foreign_filter(file, chance, outside):
    group, name = place(file, chance)
    group.create_dataset(name, data=np.zeros(1000), chunks=(100,), compression="lzf")


def large_chunk(file, chance, outside):
    group, name = place(file, chance)
    size = chance.choice([10**8, 1_500_000_000, 3_300_000_000])
    group.create_dataset(name, shape=(size,), dtype="u1", chunks=(size,), compression=9)


def many_chunks(file, chance, outside):
    group, name = place(file, chance)
    group.create_dataset(name, shape=(10**7,), dtype="u1", chunks=(chance.choice([1, 7]),))


def large_declaration(file, chance, outside):
    group, name = place(file, chance)
    group.create_dataset(name, shape=(chance.choice([10**9, 10**12, 2**61]),), dtype="f4", chunks=(2**18,))


def large_attribute(file, chance, outside):
    chance.choice(groups(file)).attrs["note"] = np.frombuffer(b"x" * 10**7, "S1")


def many_texts(file, chance, outside):
    chance.choice(groups(file)).attrs["note"] = ["x" * 10**5] * 100


def many_attributes(file, chance, outside):
    found = chance.choice([*groups(file), *variables(file)])
    for number in range(200):
        found.attrs[f"note{number}"] = number


def many_groups(file, chance, outside):
    for number in range(9_000):
        file.create_group(f"learning/g{number}")


def nested_groups(file, chance, outside):
    group = chance.choice(groups(file))
    for _ in range(chance.choice([10, 1500])):
        group = group.create_group("g")


def text_variable(file, chance, outside):
    group, name = place(file, chance)
    group.create_dataset(name, data=np.array(["a", "b"], chance.choice(["S3", object])))


def compound_variable(file, chance, outside):
    group, name = place(file, chance)
    group.create_dataset(name, data=np.zeros(3, [("a", "f8"), ("b", "i4")]))


def reference_attribute(file, chance, outside):
    chance.choice(groups(file)).attrs["note"] = file["learning"].ref


def dangling_dimension(file, chance, outside):
    """A variable whose dimension lies in no group, and has its data in another file."""
    with_dimensions = [each for each in variables(file) if "DIMENSION_LIST" in each.attrs]
    found = chance.choice(with_dimensions)
    hidden = file.create_dataset("hidden", shape=(10,), dtype="u1", external=[(str(outside), 0, 10)])
    lists = np.empty(found.ndim, object)
    for axis in range(found.ndim):
        lists[axis] = np.array([hidden.ref], h5py.ref_dtype)
    found.attrs.create("DIMENSION_LIST", lists, dtype=h5py.vlen_dtype(h5py.ref_dtype))
    del file["hidden"]


REFUSED: dict[Change, str] = {
    external_storage: "has its data in another file",
    external_link: "is a link to another file",
    soft_link: "is a symbolic link",
    virtual_dataset: "is a virtual dataset",
    growing_virtual_dataset: "is a virtual dataset",
    second_name: "is another name of an object",
    foreign_filter: "is packed by the filter 32000",
    large_chunk: "has chunks of",
    many_chunks: "chunks of data, which a file of its size cannot hold",
    large_declaration: "which a file of its size cannot hold",
    large_attribute: "has 10,000,000 bytes",
    many_texts: "is of a kind that no run file has",
    many_attributes: "attributes, more than any run file",
    many_groups: "it has more than 8,000 groups and variables",
    nested_groups: "its groups are nested more than 8 deep",
    text_variable: "does not hold numbers",
    compound_variable: "does not hold numbers",
    reference_attribute: "is of a kind that no run file has",
    dangling_dimension: "leads to what is not in the file's groups",
}


def attribute_of_another_kind(file, chance, outside):
    name = chance.choice([*file.attrs])
    file.attrs[name] = chance.choice(["x", "-1e400", "9" * 5000, np.array([1, 2, 3]), np.nan, -1, 2**62, "a = 1", ""])


def label_of_another_kind(file, chance, outside):
    found = chance.choice(variables(file))
    name = chance.choice(["units", "scale_factor", "add_offset", "coordinates", "_FillValue", "long_name", "calendar"])
    found.attrs[name] = chance.choice(["days since 0000-99-99", float("nan"), 1e308, np.array([1.0, 2.0]), "x" * 100])


def variable_of_another_shape(file, chance, outside):
    group, name = freed_place(file, chance)
    shape = chance.choice([(), (0,), (1,), (4,), (3, 2), (1, 1, 1, 1)])
    group.create_dataset(name, data=np.full(shape, chance.choice([np.nan, np.inf, 0.0, -1e300])))


def object_removed(file, chance, outside):
    freed_place(file, chance)


def values_of_another_kind(file, chance, outside):
    found = chance.choice([each for each in variables(file) if each.size])
    odd = [np.nan, np.inf, -1, 10**18] if found.dtype.kind == "f" else [-1, np.iinfo(found.dtype).max]
    found[...] = np.array(chance.choice(odd)).astype(found.dtype)


def names_of_another_kind(file, chance, outside):
    name = chance.choice(["..%2f..", "<script>alert(1)<\\script>", "$\\frac{a$", "ü" * 200, " ", "a\nb"])
    file.copy(chance.choice([each for each in file.values() if isinstance(each, h5py.Group)]), f"learning/{name}")


def symbol_that_reads_a_file(file, chance, outside):
    text = str(np.ravel(file.attrs["circuit"])[0])
    file.attrs["circuit"] = text.replace('"\\\\Xi"', f'"\\\\input{{{outside}}}"').replace(
        "'\\Xi'", f"'\\input{{{outside}}}'"
    )


ODD: tuple[Change, ...] = (
    attribute_of_another_kind,
    label_of_another_kind,
    variable_of_another_shape,
    object_removed,
    values_of_another_kind,
    names_of_another_kind,
    symbol_that_reads_a_file,
)
"""Changes after which a file may be refused, or read."""


def outside_files(folder: Path) -> Path:
    """What no run file may lead to: a file, and one of HDF5 beside it."""
    path = folder / "secret.txt"
    path.write_bytes(SECRET)
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["data"] = np.arange(10.0)
    return path


def changed(whole: Path, path: Path, change: Change, chance: random.Random, outside: Path) -> Path:
    """A copy of a run file with a change to its objects."""
    if whole != path:
        shutil.copy(whole, path)
    with h5py.File(path, "r+") as file:
        change(file, chance, outside)
    return path
