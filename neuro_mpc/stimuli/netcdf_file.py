"""netCDF files: examined, read through once in a process of its own, then read by parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_mpc.errors import DescriptionError
from neuro_mpc.examination import isolation, opening
from neuro_mpc.examination.netcdf_lock import NETCDF

if TYPE_CHECKING:
    import xarray as xr

CLASSIC = b"CDF"


def opened(path: Path) -> xr.Dataset:
    """The variables of the root group, read when they are asked for; DescriptionError where that is not safe."""
    import xarray as xr
    from xarray.backends import CachingFileManager, NetCDF4DataStore

    if trouble := _trouble(path):
        hint = "" if trouble == opening.UNLOCKED else _hint(path)
        raise DescriptionError(f"cannot be read: {trouble}", source=str(path), hint=hint)
    opener: Any = opening.opened  # xarray expects of a file that `close` returns nothing
    manager = CachingFileManager(opener, path.absolute(), mode="r", kwargs={"data": True}, lock=NETCDF)
    try:
        with NETCDF:
            store = NetCDF4DataStore(manager, lock=NETCDF)
            return xr.open_dataset(store, cache=False, decode_times=False, decode_timedelta=False)
    except OSError as problem:
        raise DescriptionError(f"cannot be read: {problem.strerror or problem}", source=str(path)) from problem


def _trouble(path: Path) -> str:
    return isolation.trouble_elsewhere(path, data=True)


def _hint(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(CLASSIC)) == CLASSIC:
            return 'the format netCDF-4: xarray.load_dataset(path).to_netcdf(new, engine="netcdf4")'
    return 'a file as xarray\'s dataset.to_netcdf("data.nc") writes it, packed by zlib or not at all'
