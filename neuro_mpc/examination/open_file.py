"""A file of HDF5 that is closed for good: whatever was opened in it is closed, too, also what an error still holds.

Otherwise the library would keep the file open, and would show what it was to whoever opens it again, once it is mended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from h5py import h5f, h5i  # pyright: ignore[reportAttributeAccessIssue]


@contextmanager
def open_file(path: Path) -> Iterator[h5f.FileID]:
    """Open for reading; OSError or RuntimeError where it cannot be."""
    file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY)
    try:
        yield file
    finally:
        for each in h5f.get_obj_ids(file, (h5f.OBJ_ALL & ~h5f.OBJ_FILE) | h5f.OBJ_LOCAL):
            while each.valid:
                h5i.dec_ref(each)
        file.close()
