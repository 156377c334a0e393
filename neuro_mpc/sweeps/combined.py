"""One file for all members of a sweep: final measures, measures of each test, final energies."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore

from neuro_mpc import __version__
from neuro_mpc.errors import RunFileError
from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.runfile.closing import closed_after
from neuro_mpc.runfile.paths import lock_path
from neuro_mpc.runfile.reading import opened_run
from neuro_mpc.runfile.record import TESTED
from neuro_mpc.runfile.write_errors import unwritten
from neuro_mpc.sweeps.grid import Axis, Grid, as_text
from neuro_mpc.sweeps.members import Job
from neuro_mpc.system import files, locks

FILE = "sweep.nc"
ENERGIES = ("free_energy", "free_energy_hidden", "loss")
FINAL_SHARE = 0.1  # of the presentations: a single one is noisy
BY_TEST = "_by_test"


def combine(
    grid: Grid,
    jobs: Iterable[Job],
    errors: dict[str, str],
    attributes: Mapping[str, str] = {},
    outdated: Container[str] = (),
) -> xr.Dataset:
    """The measures in the run files of a sweep, by the keys swept and the seed; NaN where a member is missing.

        <measure> (key …, seed)                 of the evaluation after learning, or of the last test
        <measure>_by_test (key …, seed, test)   of each test, with test_presentation
        <measure>_network (key …, seed, network)  of each network drawn from the learned distributions
        free_energy, free_energy_hidden, loss   means over the last tenth of the presentations
        complete, error, file (key …, seed)     1 or 0; what went wrong; the name of the run file

    errors      name of a member → what went wrong; a file that cannot be read is added
    attributes  of the dataset, in addition
    outdated    names of members whose files are of another sweep
    """
    jobs = list(jobs)
    measures = [
        _measures(job, errors)
        if job.state == "complete" and not errors.get(job.name) and job.name not in outdated
        else {}
        for job in jobs
    ]
    axes = [axis.name for axis in grid.axes]
    dimensions = (*axes, "seed")
    dataset = xr.Dataset(
        coords={
            **{axis.name: _coordinate(axis) for axis in grid.axes},
            "seed": ("seed", np.array(grid.seeds), {"long_name": "seed"}),
        }
    )
    for name in dict.fromkeys(name for member in measures for name in member):
        dataset[name] = _gathered([member.get(name) for member in measures], grid.shape, dimensions)
    states = {
        "complete": np.array([bool(member) for member in measures], np.int8),
        "error": np.array([errors.get(job.name, "") for job in jobs], object),
        "file": np.array([Path(job.path).name for job in jobs], object),
    }
    dataset = dataset.assign({name: (dimensions, state.reshape(grid.shape)) for name, state in states.items()})
    return dataset.assign_attrs(Conventions="CF-1.11", neuro_mpc_version=__version__, **attributes)


def write(dataset: xr.Dataset, path: Path) -> None:
    """Writes the combined file, in place of an older one; RunError where the disk does not take it."""
    try:
        with _alone(path), files.replacement(path) as new, NETCDF:
            file = netCDF4.Dataset(new, "w", format="NETCDF4")
            with closed_after(file, new):
                dataset.dump_to_store(NetCDF4DataStore(file, lock=NETCDF))
    except (OSError, RuntimeError) as problem:
        raise unwritten(
            path, problem, "free space on the disk; the same command again runs no complete member"
        ) from problem


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Within, no other sweep writes the file; what one left that was killed is removed."""
    with locks.held(lock_path(path), wait=lambda: None) as alone:
        if alone:
            files.discard_leftovers(path)
        yield


def _coordinate(axis: Axis) -> tuple:
    """The values of an axis: as numbers if all of them are, else as texts."""
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in axis.values)
    values = np.array(axis.values) if numeric else np.array([as_text(value) for value in axis.values], object)
    return axis.name, values, {"long_name": axis.name.replace("_", " "), "key": axis.key}


def _measures(job: Job, errors: dict[str, str]) -> dict[str, xr.Variable]:
    """The numbers of a run; none, and an error, where they cannot be read."""
    try:
        with opened_run(Path(job.path)) as run:
            learning, measures = _variables(run, "learning"), _variables(run, "evaluation")
    except RunFileError as problem:
        errors[job.name] = str(problem)
        return {}
    for name, values in learning.items():
        if values.dims == ("test",) and name not in TESTED:
            measures.setdefault(name, values[-1])
            measures[f"{name}{BY_TEST}"] = values
    measures["test_presentation"] = learning["test_presentation"]
    return measures | {name: _final(name, learning[name]) for name in ENERGIES if learning[name].size}


def _variables(run: netCDF4.Dataset, group: str) -> dict[str, xr.Variable]:
    """Those of a group; none where there is none. Of a tree of all groups, xarray takes longer than for all else."""
    found = run.groups[group].variables if group in run.groups else {}
    return {name: xr.Variable(values.dimensions, values[...], _labels(values)) for name, values in found.items()}


def _labels(values: netCDF4.Variable) -> dict[str, str]:
    return {name: str(values.getncattr(name)) for name in ("units", "long_name") if name in values.ncattrs()}


def _final(name: str, values: xr.Variable) -> xr.Variable:
    last = values[-max(1, round(FINAL_SHARE * values.size)) :]
    label = f"{values.attrs.get('long_name', name)}, mean of the last tenth of the presentations"
    return xr.Variable((), last.mean("presentation").values, {**values.attrs, "long_name": label})


def _gathered(values: list[xr.Variable | None], shape: tuple[int, ...], dimensions: tuple[str, ...]) -> xr.Variable:
    """One array of all members, as long along each of their own dimensions as the longest."""
    present = [array for array in values if array is not None]
    own = present[0].dims
    sizes = [max(array.sizes[name] for array in present) for name in own]
    table = np.full((len(values), *sizes), np.nan)
    for row, array in enumerate(values):
        if array is not None:
            table[(row, *map(slice, array.shape))] = array.values
    return xr.Variable((*dimensions, *own), table.reshape(*shape, *sizes), present[0].attrs)
