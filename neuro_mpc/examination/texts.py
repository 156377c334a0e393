"""How long the texts of a dataset are, told without reading any.

Texts of any length lie apart from their dataset, which holds the length and the place of each: a few bytes may stand
for a text as long as the file, any number of times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d  # pyright: ignore[reportAttributeAccessIssue]

ENTRY = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
"""What is stored in the place of a text of any length."""
ENTRIES_AT_ONCE = 2**18


def longest_text(dataset: h5py.Dataset, path: Path) -> int | None:
    """Bytes of the longest text of a dataset in this file; None where the entries are packed, or of another form."""
    if dataset.dtype.kind == "S":
        return dataset.dtype.itemsize
    if dataset.id.get_create_plist().get_nfilters() or dataset.file.userblock_size:
        return None
    longest = 0
    with path.open("rb") as file:
        for offset, size, entries in _stored(dataset):
            if size != entries * ENTRY.itemsize:
                return None
            file.seek(offset)
            for start in range(0, entries, ENTRIES_AT_ONCE):
                raw = file.read(min(ENTRIES_AT_ONCE, entries - start) * ENTRY.itemsize)
                read = np.frombuffer(raw, ENTRY, len(raw) // ENTRY.itemsize)
                longest = max(longest, int(read["length"].max(initial=0)))
    return longest


def _stored(dataset: h5py.Dataset) -> Iterator[tuple[int, int, int]]:
    """Place, bytes and number of entries of each part of a dataset that is stored."""
    layout = dataset.id.get_create_plist().get_layout()
    if layout == h5d.CHUNKED:
        for number in range(dataset.id.get_num_chunks()):
            chunk = dataset.id.get_chunk_info(number)
            yield chunk.byte_offset, chunk.size, math.prod(dataset.chunks or ())
    elif layout == h5d.CONTIGUOUS:
        if (offset := dataset.id.get_offset()) is not None:
            yield offset, dataset.id.get_storage_size(), math.prod(dataset.shape or ())
    else:
        yield 0, 0, 1  # within its header
