"""Opening files of labelled data: netCDF, Zarr and NPZ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import netcdf_file, npz, zarr_store
from neuro_mpc.stimuli.files import find, find_folder
from neuro_mpc.stimuli.positional import as_dataset

if TYPE_CHECKING:
    import xarray as xr

FOLDER = "data"
NETCDF, ZARR, NPZ = (".nc", ".nc4", ".netcdf", ".h5", ".hdf5", ".cdf"), (".zarr",), (".npz",)


def found(name: str, data_dir: str | None) -> Path:
    """The path of a file of data; DescriptionError where it is missing, or of no known format."""
    if not name.lower().endswith((*NETCDF, *ZARR, *NPZ)):
        raise DescriptionError(
            "is no file of data by its name",
            key="stimulus.file",
            found=name,
            expected="netCDF (.nc), Zarr (.zarr) or NPZ (.npz)",
            hint='np.savez("data.npz", name=np.load("name.npy")), an array for each channel'
            if name.lower().endswith(".npy")
            else 'stimulus.source = "csv" or "image-folder" for those',
        )
    if name.lower().endswith(ZARR):
        return find_folder(name, data_dir, FOLDER)
    return find((name,), data_dir, FOLDER, {})[0]


def opened(path: Path, *, trial: str, step: str, recording: bool) -> xr.Dataset:
    """The data set of a file, whose values are read when they are asked for; the names are those of `as_dataset`."""
    if path.is_dir():
        return zarr_store.opened(path)
    if path.suffix.lower() in NPZ:
        return as_dataset(npz.arrays(path), trial=trial, step=step, recording=recording, source=str(path))
    return netcdf_file.opened(path)
