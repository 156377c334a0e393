"""A run as one HTML page: no network, no script, pictures inlined, everything from the run file escaped."""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from neuro_mpc.errors import RunFileError, path_argument
from neuro_mpc.reports import described, equations, experiments, pictures, results
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute
from neuro_mpc.runfile.reading import as_run
from neuro_mpc.system import files

FOLDER = Path(__file__).parent


def report(run: xr.DataTree | str | os.PathLike[str], out: str | os.PathLike | None = None) -> Path:
    """Write the report of a run as one HTML page.

    It holds results, configuration, derived equations and all figures that the recording allows; what it does not allow
    is named with the option to set. The run file is enough: Brian2 is not needed.

    Parameters
    ----------
    run : xarray.DataTree, str or path
        A run, or its file.
    out : str or path, optional
        An .html file, or a folder; None: beside the run file, with its name.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    RunFileError
        The file cannot be written, or the run holds no circuit and protocol that can be read.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.report(nm.open_run("run.nc"), out="report.html").name  # doctest: +SKIP
    'report.html'
    """
    with as_run(run) as tree:
        path = _target(tree, out)
        page = rendered(tree)
    try:
        files.write(path, page)
    except OSError as problem:
        raise RunFileError(f"{path} cannot be written: {problem.strerror}", hint="another path") from problem
    return path


def rendered(run: xr.DataTree) -> str:
    """The page as text."""
    # Escaping is on for all that is put in: run files may come from strangers.
    pages = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    circuit, protocol = (access.describe(run, name) for name in ("circuit", "protocol"))
    drawn = pictures.drawn(run)
    return pages.get_template("page.html").render(
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        title=" on ".join(str(table["name"]) for table in (circuit, protocol) if table.get("name")),
        descriptions=[table["description"] for table in (circuit, protocol) if table.get("description")],
        complete=bool(attribute(run, "complete", 0)),
        results=results.results(run),
        circuit=described.circuit_tables(circuit),
        protocol=described.protocol_tables(protocol),
        equations=equations.written(attribute(run, "circuit")),
        variability=results.variability(run),
        chapters=drawn.chapters,
        experiment=experiments.tables(run),
        # An experiment learned and recorded nothing else.
        missing=[*drawn.failed, *([] if experiments.is_experiment(run) else drawn.missing)],
        provenance=described.provenance(run),
        texts=[(name, attribute(run, name)) for name in ("circuit", "protocol")],
    )


def _target(run: xr.DataTree, out: str | os.PathLike | None) -> Path:
    source = Path(run.encoding.get("source", "run.nc"))
    name = f"{source.name.removesuffix('.partial').removesuffix('.nc')}.html"
    path = source.parent if out is None else path_argument("out", out)
    path = path / name if path.is_dir() else path
    if path.suffix.lower() not in (".html", ".htm"):
        raise RunFileError(f"{path}: a report is HTML", hint=f"{path.with_suffix('.html')}")
    if not path.absolute().parent.is_dir():
        raise RunFileError(f"the folder {path.parent} does not exist", hint=f"mkdir -p {path.parent}")
    return path
