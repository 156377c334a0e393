"""Figures of a run file, ready for print: 89 or 183 mm wide, 7 pt, readable in grey."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from neuro_mpc.errors import RunFileError, did_you_mean, path_argument
from neuro_mpc.plots import style
from neuro_mpc.plots.combining import draw, paper
from neuro_mpc.plots.deviance import plot_deviance
from neuro_mpc.plots.figures import FIGURES, OF_SEVERAL, discover
from neuro_mpc.plots.saving import SUFFIXES, refuse_missing_folder, refuse_other_formats, written
from neuro_mpc.runfile import access
from neuro_mpc.runfile.reading import as_run

__all__ = ["FIGURES", "SUFFIXES", "draw", "paper", "plot_deviance", "plot_run"]

discover(__name__, __path__)


def plot_run(
    run: xr.DataTree | str | os.PathLike[str] | Sequence[xr.DataTree | str | os.PathLike[str]],
    figure: str | None = None,
    out: str | Path | None = None,
    font: str | None = None,
) -> list[Path]:
    """Draw a figure of a run, or every figure that its recording allows.

    Parameters
    ----------
    run : xarray.DataTree, str or path, or sequence of these
        A run, or its file; several, such as those of several seeds, for the figures in `neuro_mpc.plots.OF_SEVERAL`.
    figure : str, optional
        A name in `neuro_mpc.plots.FIGURES`; None: all that can be drawn.
    out : str or path, optional
        A file (its suffix is the format), or a folder; None: ``<run>-<figure>.png`` beside the run file. Several
        figures into one file name get their name, and several pages their number, before the suffix.
    font : str, optional
        A family that is tried first; what it lacks is taken from other fonts of the system.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    RunFileError
        Figure, format or font are unknown, the folder is missing, or, for a figure given by name, the recording lacks
        what it shows: the error names the option to set.

    Warns
    -----
    UserWarning
        A figure fails; it does not take the others with it.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> [path] = nm.plot_run(nm.open_run("run.nc"), "learning", out="learning.png")
    >>> path.name
    'learning.png'
    """
    if figure is not None and figure not in FIGURES:
        hint = did_you_mean(figure, FIGURES) or f"one of {', '.join(FIGURES)}"
        raise RunFileError(f"there is no figure {figure!r}", hint=hint)
    several = not isinstance(run, (xr.DataTree, str, os.PathLike))
    if several and figure not in OF_SEVERAL:
        hint = f"one of {', '.join(OF_SEVERAL)}"
        wanted = f"there is no figure {figure!r} of several runs" if figure else "several runs need a figure"
        raise RunFileError(wanted, hint=hint)
    with ExitStack() as stack:
        runs = [stack.enter_context(as_run(each)) for each in (run if several else [run])]
        target = _target(runs[0], figure, out)
        with style.applied(*runs, font=font):
            if figure is not None:
                return _drawn(runs if several else runs[0], figure, target(figure))
            return _all_drawn(runs[0], target)


def _all_drawn(run: xr.DataTree, target: Callable[[str], Path]) -> list[Path]:
    """Every figure that the recording allows; RunFileError where there is none."""
    files: list[Path] = []
    failures, lacking = [], []
    for name in FIGURES:
        try:
            files += _drawn(run, name, target(name))
        except FigureError as failure:
            failures.append(failure)
        except RunFileError as problem:
            lacking.append(problem)
    if not files:
        raise [*failures, *lacking][0]
    for failure in failures:
        warnings.warn(str(failure), stacklevel=3)
    return files


def _drawn(run: xr.DataTree | Sequence[xr.DataTree], name: str, path: Path) -> list[Path]:
    """The files of a figure; FigureError where what the run holds makes it stumble."""
    try:
        return [written(page, file) for page, file in _numbered(FIGURES[name](run), path)]
    except RunFileError:
        raise
    except Exception as problem:
        first = run if isinstance(run, xr.DataTree) else run[0]
        raise FigureError.of(name, access.source(first), problem) from problem


class FigureError(RunFileError):
    """A figure that could not be drawn, though the run holds what it shows."""

    @classmethod
    def of(cls, name: str, source: str, problem: Exception) -> FigureError:
        cause = next(iter(str(problem).splitlines()), "")[:200]
        return cls(
            f"{source}: the figure {name!r} cannot be drawn: {type(problem).__name__}: {cause}",
            hint="its values may be damaged, or not those of a run; if neuro-mpc wrote them, please report this",
        )


def _target(run: xr.DataTree, figure: str | None, out: str | Path | None) -> Callable[[str], Path]:
    """From the name of a figure to its file."""
    source = Path(run.encoding.get("source", "run.nc"))
    path = source.parent if out is None else path_argument("out", out)
    folder = path if path.is_dir() or not path.suffix else path.parent
    refuse_missing_folder(folder)
    if folder == path:
        return lambda name: path / f"{_stem(source)}-{name}.png"
    refuse_other_formats(path)
    return lambda name: path if figure else path.with_stem(f"{path.stem}-{name}")


def _stem(source: Path) -> str:
    return source.name.removesuffix(".partial").removesuffix(".nc")


def _numbered(pages: list[Figure], path: Path) -> list[tuple[Figure, Path]]:
    if len(pages) == 1:
        return [(pages[0], path)]
    return [(page, path.with_stem(f"{path.stem}-{number}")) for number, page in enumerate(pages, start=1)]
