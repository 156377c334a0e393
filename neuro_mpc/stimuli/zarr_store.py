"""Zarr stores: their descriptions are examined before anything is unpacked, then their arrays are read by parts."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_mpc.errors import DescriptionError

if TYPE_CHECKING:
    import xarray as xr

DECODED: dict[str, Any] = {"chunks": None, "decode_times": False, "decode_timedelta": False}
METADATA = ("zarr.json", ".zarray", ".zgroup", ".zmetadata", ".zattrs")
LARGEST_METADATA, MOST_ARRAYS, LARGEST_CHUNK = 2**22, 10_000, 2**30
MOST_COMPRESSION, SMALL_BYTES = 1032, 64_000_000
# What only rearranges or packs numbers and texts; codecs of other packages, and pickle, are code.
CODECS = frozenset(
    "bytes blosc gzip zstd zlib lz4 lzma bz2 crc32c crc32 adler32 transpose sharding_indexed shuffle delta bitround "
    "fixedscaleoffset quantize packbits vlen-utf8 string fixed_length_utf32 null_terminated_bytes".split()
)


def opened(path: Path) -> xr.Dataset:
    """The arrays of a store, read when they are asked for; DescriptionError where it has other contents."""
    import xarray as xr

    try:
        import zarr  # noqa: F401
    except ImportError:
        raise DescriptionError(
            "Zarr stores need a package that is not installed", source=str(path), hint="pip install 'neuro-mpc[zarr]'"
        ) from None
    _examine(path)
    try:
        return _with_zeros(xr.open_zarr(path, **DECODED), path)
    except Exception as problem:  # of a store that is damaged, or not made by xarray
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(
            f"cannot be read: {reason}",
            source=str(path),
            expected="a Zarr store with names of dimensions",
            hint='xarray\'s dataset.to_zarr("data.zarr")',
        ) from None


def _with_zeros(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """The same, where zeros are numbers that xarray has taken for the mark of missing ones: in stores of the second
    format, zarr itself lets 0 stand for what was never written; xarray writes it only where it is asked for."""
    import xarray as xr

    names = [name for name, each in dataset.variables.items() if each.encoding.get("_FillValue") == 0]
    if not names or Path(path, METADATA[0]).exists():
        return dataset
    stored = xr.open_zarr(path, mask_and_scale=False, **DECODED)[names]
    for name in names:
        stored[name].attrs.pop("_FillValue", None)
    unmasked = xr.decode_cf(stored, decode_times=False, decode_timedelta=False).variables
    return dataset.assign({name: unmasked[name] for name in names})


def _examine(path: Path) -> None:
    stored = declared = number = 0
    for file in _files(path):
        stored += file.stat().st_size
        if file.name in METADATA:
            number += 1
            declared += sum(_refuse_array(array, file) for array in _arrays(_description(file)))
        if number > MOST_ARRAYS:
            raise DescriptionError("has too many arrays", source=str(path), expected=f"up to {MOST_ARRAYS:,}")
    if declared > MOST_COMPRESSION * stored + SMALL_BYTES:
        raise DescriptionError(
            "declares more data than a store of its size can hold",
            source=str(path),
            found=f"{declared:,} bytes",
            expected=f"what {stored:,} bytes can hold",
        )


def _files(path: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            if (file := Path(folder, name)).is_symlink():
                raise DescriptionError("is a link to another file", source=str(file))
        yield from (Path(folder, name) for name in names)


def _description(file: Path) -> Any:
    if file.stat().st_size > LARGEST_METADATA:
        raise DescriptionError("is too long", source=str(file), expected=f"up to {LARGEST_METADATA:,} bytes")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise DescriptionError(f"is no JSON: {problem}", source=str(file)) from None


def _arrays(description: Any) -> Iterator[dict[str, Any]]:
    """The tables of arrays in a description, also those of a consolidated one."""
    if isinstance(description, dict):
        if "shape" in description:
            yield description
        else:
            for inner in description.values():
                yield from _arrays(inner)


def _refuse_array(array: dict[str, Any], file: Path) -> int:
    """The bytes that an array declares; DescriptionError for codecs that are code, and chunks that are too large."""
    for codec in _codecs(array):
        if codec not in CODECS:
            raise DescriptionError(
                "is packed by a codec that is not read here",
                source=str(file),
                found=codec,
                expected=", ".join(sorted(CODECS)),
                hint="written again with zstd or blosc",
            )
    grid = _table(array.get("chunk_grid"))
    chunk: Any = array.get("chunks", _table(grid.get("configuration")).get("chunk_shape"))
    shape = array["shape"]
    if not all(isinstance(sizes, list) and all(type(size) is int for size in sizes) for sizes in (shape, chunk)):
        raise DescriptionError("has no shape of whole numbers", source=str(file), found=shape)
    if (size := 8 * math.prod(chunk)) > LARGEST_CHUNK:
        raise DescriptionError(
            "has chunks that are too large", source=str(file), found=size, expected=f"up to {LARGEST_CHUNK:,} bytes"
        )
    return math.prod(shape)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _codecs(table: dict[str, Any]) -> Iterator[str]:
    """The names of all that a chunk passes through; codecs may consist of others."""
    for given in (table.get(key) for key in ("codecs", "index_codecs", "filters", "compressor")):
        for codec in given if isinstance(given, list) else [given]:
            if isinstance(codec, dict):
                yield str(codec.get("name", codec.get("id"))).removeprefix("numcodecs.")
                yield from _codecs(_table(codec.get("configuration")))
            elif codec is not None:
                yield str(codec)
