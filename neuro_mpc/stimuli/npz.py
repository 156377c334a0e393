"""Arrays of an NPZ file: mapped into memory where they are stored as they are, else unpacked up to a limit."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from neuro_mpc.errors import DescriptionError

LARGEST_UNPACKED = 2**31  # bytes of one array
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip archive: its end says how long the name and the extras are
SUFFIX = ".npy"


def arrays(path: Path) -> dict[str, np.ndarray]:
    """name → array; DescriptionError where one is no plain array, as nothing is unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(SUFFIX)]
            return {member.filename.removesuffix(SUFFIX): _array(archive, member, path) for member in members}
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as problem:
        raise DescriptionError(
            f"cannot be read: {problem}", source=str(path), expected="an NPZ file, as numpy.savez writes it"
        ) from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> np.ndarray:
    place = {"source": str(path), "key": member.filename.removesuffix(SUFFIX)}
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file)
        if dtype.hasobject:
            raise DescriptionError(
                "holds objects, which only pickle can read",
                found=str(dtype),
                expected="numbers",
                hint="arrays of equal lengths, such as np.stack(trials)",
                **place,
            )
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        begin = file.tell()
        if size > member.file_size - begin:
            raise DescriptionError("is cut off", found=member.file_size, expected=f"{begin + size:,} bytes", **place)
        order = "F" if fortran else "C"
        if member.compress_type == zipfile.ZIP_STORED and size:
            return np.memmap(path, dtype, "r", _offset(path, member) + begin, shape, order)
        if size > LARGEST_UNPACKED:
            raise DescriptionError(
                "is packed, and too large to be unpacked",
                found=f"{size:,} bytes",
                expected=f"up to {LARGEST_UNPACKED:,}",
                hint="np.savez in place of np.savez_compressed, or netCDF",
                **place,
            )
        return np.frombuffer(file.read(size), dtype).reshape(shape, order=order)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of an array in the format of NumPy."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Where in the file the content of a member begins that is not packed."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    return member.header_offset + LOCAL_HEADER.size + name + extra
