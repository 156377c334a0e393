"""The groups of a netCDF file as a tree of datasets, whose data are read when they are asked for, by one thread at a
time. `xarray.open_datatree` would do, but reads by a lock of its own that the opening thread cannot ask for again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import xarray as xr
from xarray.backends import CachingFileManager, NetCDF4DataStore

from neuro_mpc.examination.netcdf_lock import NETCDF


def open_tree(path: Path) -> xr.DataTree:
    """Opens a file; to be closed. Its `encoding["source"]` is the path."""
    source = str(path.absolute())
    # xarray expects of a file that `close` returns nothing.
    opener: Any = netCDF4.Dataset
    manager = CachingFileManager(opener, source, mode="r", kwargs={"format": "NETCDF4"}, lock=NETCDF)
    with NETCDF:
        try:
            groups = {group: _dataset(manager, group) for group in _groups(manager.acquire())}
            tree = xr.DataTree.from_dict(groups)
        except BaseException:
            manager.close()
            raise
    tree.set_close(manager.close)
    tree.encoding["source"] = source
    return tree


def _dataset(manager: CachingFileManager, group: str) -> xr.Dataset:
    store = NetCDF4DataStore(manager, group=group, lock=NETCDF)
    return xr.open_dataset(store, decode_timedelta=False)


def _groups(root: netCDF4.Group) -> Iterator[str]:
    yield root.path
    for inner in root.groups.values():
        yield from _groups(inner)
