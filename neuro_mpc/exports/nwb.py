"""A run as a file of Neurodata Without Borders (NWB), which tools for recordings read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from neuro_mpc import __version__
from neuro_mpc.errors import RunError, path_argument
from neuro_mpc.exports import intervals
from neuro_mpc.exports.provenance import began, circuit_name, provenance
from neuro_mpc.exports.timeline import Trace, traces
from neuro_mpc.runfile.paths import check_folder, require_room
from neuro_mpc.runfile.reading import as_run, reading
from neuro_mpc.system import files

NWBFile: TypeAlias = Any
"""That of pynwb, whose methods are made when it is imported."""
SUFFIX = ".nwb"
PROVENANCE = "provenance"
UNIT = "a.u."
WITHOUT_PYNWB = "pip install 'neuro-mpc[nwb]'"
Progress = Callable[[int, int], object]


def export(
    run: xr.DataTree | str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    step_duration: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the neural traces of a run, what was shown, and where both come from to an NWB file.

    Parameters
    ----------
    run : xarray.DataTree, str or path
        A run with traces, of an experiment that records single units, such as "mismatch", or with recorded samples; or
        its file.
    to : str or path
        The file to write, with the suffix ``.nwb``. It is there once it is whole.
    step_duration : float, optional
        Duration of a step (ms); by default that of the experiment, or of the protocol.
    overwrite : bool, optional
        Replace the file if it exists.
    progress : callable, optional
        Called with the number of values that are written, and with that of all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    RunFileError
        The run has no traces, or nothing tells how long its steps last.
    RunError
        The file exists or cannot be written, or pynwb is not installed.

    Notes
    -----
    Trials follow each other without a gap: step s of trial k begins at (k · steps + s) · step_duration. What lies where
    is told on the page "Runs as recordings" of the documentation.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.export("run.nc", "session.nwb", step_duration=100).name
    'session.nwb'
    """
    path = path_argument("to", to)
    _require_pynwb()
    _refuse(path, overwrite)
    with as_run(run) as tree, reading(Path(tree.encoding.get("source", "this run"))):
        found = traces(tree, step_duration)
        _write(path, _contents(tree, found, _counted(found, progress)), sum(_bytes(trace) for trace in found))
    return path


def _write(path: Path, contents: NWBFile, size: int) -> None:
    import h5py
    from pynwb import NWBHDF5IO

    try:
        require_room(path, size)
        with (
            files.replacement(path) as new,
            h5py.File(new, "w") as file,
            NWBHDF5IO(file=file, mode="w") as io,
        ):
            io.write(contents)  # pyright: ignore[reportCallIssue]
    except OSError as problem:
        raise RunError(f"{path} cannot be written: {problem}", hint="free space on the disk, or another path") from None


def _contents(run: xr.DataTree, found: list[Trace], written: Callable[[int], object]) -> NWBFile:
    """All that the file will hold; traces are read as they are written."""
    import pynwb

    told = provenance(run)
    contents: Any = pynwb.NWBFile(
        session_description=told.get("title", "neuro_mpc run"),
        identifier=f"{told['run_file']} {told['run_sha256']}",
        session_start_time=began(run),
        experiment_description=f"simulation of the predictive-coding circuit {circuit_name(run)}",
        keywords=["predictive coding", "simulation"],
        protocol=told.get("protocol", ""),
        source_script=told.get("circuit", ""),
        source_script_file_name="circuit.toml",
        was_generated_by=[("neuro_mpc", __version__)],
    )
    for population in dict.fromkeys(trace.population for trace in found):
        _add_population(contents, population, [trace for trace in found if trace.population == population], written)
    _add_intervals(contents, run, found[0])
    contents.add_analysis(_told(told))
    return contents


def _add_population(contents: NWBFile, population: str, found: list[Trace], written: Callable[[int], object]) -> None:
    """A processing module with a table of its units, and a series for each variable."""
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb import TimeSeries

    from neuro_mpc.exports.chunks import TraceChunks

    module = contents.create_processing_module(population, f"traces of the population {population}")
    module.add(_units(population, found[0].units))
    chunks: Any = TraceChunks  # hdmf wraps what makes one
    for trace in found:
        series = TimeSeries(
            name=trace.name,
            description=trace.label,
            comments="(time, unit): column k is the unit of row k of the table `units` of this module",
            data=H5DataIO(chunks(trace, written), compression="gzip", compression_opts=1, shuffle=True),  # pyright: ignore[reportCallIssue]
            unit=UNIT,
            starting_time=trace.start,
            rate=1000.0 / trace.axis.step_ms,
        )
        module.add(series)


def _units(population: str, number: int) -> Any:
    from hdmf.common import DynamicTable, VectorData

    columns = [
        VectorData(name="unit", description="number of the unit in its population", data=np.arange(number)),
        VectorData(name="population", description="name of its population", data=[population] * number),
    ]
    return DynamicTable(name="units", description=f"units of the population {population}", columns=columns)


def _add_intervals(contents: NWBFile, run: xr.DataTree, trace: Trace) -> None:
    contents.trials = _intervals("trials", "trials, one after the other", intervals.trials(run, trace.axis))
    for name, description, columns in intervals.presentations(run, trace.axis):
        contents.add_time_intervals(_intervals(name, description, columns))


def _intervals(name: str, description: str, columns: intervals.Columns) -> Any:
    from pynwb.epoch import TimeIntervals

    table = TimeIntervals(name=name, description=description)
    table.id.extend(range(len(columns["start_time"][0])))
    for key, (values, what) in columns.items():
        data = values.astype(str).tolist() if values.dtype.kind in "UO" else values
        if key in table.colnames:
            table[key].extend(data)
        else:
            table.add_column(key, what, data=data)
    return table


def _told(texts: dict[str, str]) -> Any:
    from hdmf.common import DynamicTable, VectorData

    columns = [
        VectorData(name="attribute", description="of the run file, or of the export", data=list(texts)),
        VectorData(name="text", description="its value", data=list(texts.values())),
    ]
    return DynamicTable(name=PROVENANCE, description="where the traces come from", columns=columns)


def _counted(found: list[Trace], progress: Progress | None) -> Callable[[int], object]:
    """Tells `progress` how many rows of all traces are written."""
    total, done = sum(trace.axis.rows for trace in found), 0

    def written(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(done, total)

    return written


def _bytes(trace: Trace) -> int:
    return trace.axis.rows * trace.units * trace.values.dtype.itemsize


def _require_pynwb() -> None:
    try:
        import pynwb  # noqa: F401
    except ImportError:
        raise RunError("NWB files need a package that is not installed", hint=WITHOUT_PYNWB) from None


def _refuse(path: Path, overwrite: bool) -> None:
    if path.suffix != SUFFIX:
        raise RunError(f"{path}: a run is exported as NWB only", hint=f"{path.with_suffix(SUFFIX).name}")
    check_folder(path)
    if path.exists() and not overwrite:
        raise RunError(f"{path} exists already", hint="another path, or --overwrite to replace it")
