"""netCDF files: examined, read through once in a process of its own, then read by parts, where they lie if possible."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.series import STORED
from neuro_mpc.stimuli.stored import StoredArray, in_file

if TYPE_CHECKING:
    import xarray as xr

CLASSIC = b"CDF"
CHANGING = {"scale_factor", "add_offset", "_Unsigned", "char_dim_name"}  # numbers that stand for others


def opened(path: Path) -> xr.Dataset:
    """The variables of the root group, read when they are asked for; DescriptionError where that is not safe."""
    # All sources are imported with a protocol, but what reads files for those that do: it takes a second.
    import xarray as xr
    from xarray.backends import CachingFileManager, NetCDF4DataStore

    from neuro_mpc.examination import opening
    from neuro_mpc.examination.netcdf_lock import NETCDF

    if trouble := _trouble(path):
        hint = "" if trouble == opening.UNLOCKED else _hint(path)
        raise DescriptionError(f"cannot be read: {trouble}", source=str(path), hint=hint)
    opener: Any = opening.opened  # xarray expects of a file that `close` returns nothing
    manager = CachingFileManager(opener, path.absolute(), mode="r", kwargs={"data": True}, lock=NETCDF)
    try:
        with NETCDF:
            store = NetCDF4DataStore(manager, lock=NETCDF)
            dataset = xr.open_dataset(store, cache=False, decode_times=False, decode_timedelta=False)
            for name, variable in dataset.variables.items():
                variable.encoding[STORED] = _in_one_piece(path, str(name), variable)
            return dataset
    except (OSError, RuntimeError) as problem:  # a library's own error has no reason of the system's
        reason = getattr(problem, "strerror", None) or problem
        raise DescriptionError(f"cannot be read: {reason}", source=str(path)) from problem


def _in_one_piece(path: Path, name: str, variable: xr.Variable) -> StoredArray | None:
    """Where the numbers of a variable lie, if they do so in one piece and mean what they are."""
    from neuro_mpc.examination import inside  # h5py takes a tenth of a second to import

    if variable.dtype.kind not in "iuf" or CHANGING & variable.encoding.keys():
        return None
    marks = [variable.encoding.get(mark) for mark in ("_FillValue", "missing_value")]
    if not all(mark is None or np.isnan(mark) for mark in marks):
        return None
    try:
        with inside.opened(path) as file:
            dataset = file.dataset(name)
            begin = dataset.id.get_offset()
            if begin is None or dataset.shape != variable.shape or dataset.dtype.kind != variable.dtype.kind:
                return None
            return in_file(path, begin, dataset.dtype, dataset.shape)
    except (ValueError, OSError, TypeError, KeyError, RuntimeError):  # of damage, h5py raises what HDF5 calls it
        return None


def _trouble(path: Path) -> str:
    from neuro_mpc.examination import isolation

    return isolation.trouble_elsewhere(path, data=True)


def _hint(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(CLASSIC)) == CLASSIC:
            return 'the format netCDF-4: xarray.load_dataset(path).to_netcdf(new, engine="netcdf4")'
    return 'a file as xarray\'s dataset.to_netcdf("data.nc") writes it, packed by zlib or not at all'
