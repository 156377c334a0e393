"""One file for all members of a sweep: final measures, measures of each test, final energies."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore

from neuro_mpc import __version__, files
from neuro_mpc.errors import RunFileError
from neuro_mpc.runfile import access
from neuro_mpc.runfile.library_lock import NETCDF
from neuro_mpc.runfile.reading import open_run
from neuro_mpc.sweeps.grid import Axis, Grid, shown
from neuro_mpc.sweeps.members import Job

FILE = "sweep.nc"
ENERGIES = ("free_energy", "free_energy_hidden", "loss")
FINAL_SHARE = 0.1  # of the presentations: a single one is noisy
BY_TEST = "_by_test"


def combine(
    grid: Grid,
    jobs: Iterable[Job],
    errors: Mapping[str, str],
    attributes: Mapping[str, str] = {},
    outdated: Container[str] = (),
) -> xr.Dataset:
    """What the run files of a sweep measured, by the keys swept and the seed; missing where a member is.

        <measure> (key …, seed)                 of the evaluation after learning, or of the last test
        <measure>_by_test (key …, seed, test)   of each test, with test_presentation
        <measure>_network (key …, seed, network)  of each network drawn from the learned distributions
        free_energy, free_energy_hidden, loss   means over the last tenth of the presentations
        complete, error, file (key …, seed)     1 or 0; what went wrong; the name of the run file

    errors      name of a member → what went wrong
    attributes  of the dataset, besides
    outdated    names of members whose files are of another sweep
    """
    jobs = list(jobs)
    read = [
        _measures(job) if job.state == "complete" and not errors.get(job.name) and job.name not in outdated else {}
        for job in jobs
    ]
    axes = [axis.name for axis in grid.axes]
    dimensions = (*axes, "seed")
    found = xr.Dataset(
        coords={
            **{axis.name: _coordinate(axis) for axis in grid.axes},
            "seed": ("seed", np.array(grid.seeds), {"long_name": "seed"}),
        }
    )
    for name in dict.fromkeys(name for each in read for name in each):
        found[name] = _gathered([each.get(name) for each in read], grid.shape, dimensions)
    told = {
        "complete": np.array([bool(each) for each in read], np.int8),
        "error": np.array([errors.get(job.name, "") for job in jobs], object),
        "file": np.array([Path(job.path).name for job in jobs], object),
    }
    found = found.assign({name: (dimensions, each.reshape(grid.shape)) for name, each in told.items()})
    return found.assign_attrs(Conventions="CF-1.11", neuro_mpc_version=__version__, **attributes)


def write(found: xr.Dataset, path: Path) -> None:
    """Writes the combined file, in place of an older one."""
    with files.replacement(path) as new, NETCDF, closing(NetCDF4DataStore.open(new, "w", lock=NETCDF)) as store:
        found.dump_to_store(store)


def _coordinate(axis: Axis) -> tuple:
    """Numbers where all values are, else texts."""
    numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in axis.values)
    values = np.array(axis.values) if numbers else np.array([shown(each) for each in axis.values], object)
    return axis.name, values, {"long_name": axis.name.replace("_", " "), "key": axis.key}


def _measures(job: Job) -> dict[str, xr.DataArray]:
    """The numbers of a run, loaded."""
    with open_run(job.path) as run:
        learning = run["learning"].to_dataset().load()
        evaluation = access.group(run, "evaluation")
        found = {} if evaluation is None else dict(evaluation.to_dataset().load().data_vars)
    tests = {name: each for name, each in learning.data_vars.items() if each.dims == ("test",)}
    for name, each in tests.items():
        found.setdefault(name, each.isel(test=-1) if each.size else each.sum())
        found[f"{name}{BY_TEST}"] = each
    found["test_presentation"] = learning["test_presentation"]
    found |= {name: _final(learning[name]) for name in ENERGIES if learning[name].size}
    if not found:
        raise RunFileError(f"{job.path} holds nothing that was measured")
    return {name: each.drop_vars(each.coords) for name, each in found.items()}


def _final(values: xr.DataArray) -> xr.DataArray:
    last = values[-max(1, round(FINAL_SHARE * values.size)) :]
    label = f"{values.attrs.get('long_name', values.name)}, mean of the last tenth of the presentations"
    return last.mean("presentation").assign_attrs({**values.attrs, "long_name": label})


def _gathered(values: list[xr.DataArray | None], shape: tuple[int, ...], dimensions: tuple[str, ...]) -> xr.Variable:
    """One array of all members, as long along each of their own dimensions as the longest."""
    there = [each for each in values if each is not None]
    own = there[0].dims
    sizes = [max(each.sizes[name] for each in there) for name in own]
    table = np.full((len(values), *sizes), np.nan)
    for row, each in enumerate(values):
        if each is not None:
            table[(row, *map(slice, each.shape))] = each.values
    return xr.Variable((*dimensions, *own), table.reshape(*shape, *sizes), there[0].attrs)
