"""Commands that show circuits, what comes with the package, and run files."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

import neuro_mpc as nm
from neuro_mpc.cli.answers import answer, progress_console, tell
from neuro_mpc.cli.endings import errors_reported, warnings_reported
from neuro_mpc.cli.options import CircuitName, Settings
from neuro_mpc.runs.progress import written_on


def show(
    circuit: CircuitName,
    latex: Annotated[bool, typer.Option("--latex", help="Print a complete LaTeX document.")] = False,
) -> None:
    """Print the equations derived from a circuit."""
    with errors_reported():
        from neuro_mpc.rules.show import as_latex, as_text

        described = nm.load_circuit(circuit)
        equations = (as_latex if latex else as_text)(described)
        answer(equations, {"circuit": described.name, "latex" if latex else "text": equations})


def draw(
    circuit: CircuitName,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .png, .svg or .pdf file; by default CIRCUIT.png.")
    ] = None,
    font: Annotated[str | None, typer.Option(metavar="FAMILY", help="The font to prefer.")] = None,
    settings: Settings = None,
) -> None:
    """Draw a circuit and print the path of the drawing."""
    with errors_reported(), warnings_reported():
        from neuro_mpc.descriptions.loading import parse_settings
        from neuro_mpc.plots.circuit import save

        described = nm.load_circuit(circuit, parse_settings(settings or [])[0])
        drawn = save(described, out or Path(f"{Path(circuit).stem}.png"), font)
        tell(drawn, {"files": [drawn]})


def list_shipped() -> None:
    """List circuits, protocols and synapse types that come with the package, and installed sources and experiments."""
    with errors_reported():
        from neuro_mpc.descriptions.experiments import ExperimentTable
        from neuro_mpc.descriptions.loading import shipped
        from neuro_mpc.descriptions.sources import StimulusTable

        catalogue = {
            "circuits": shipped("circuit"),
            "protocols": shipped("protocol"),
            "synapse types": shipped("synapse"),
            "stimuli": StimulusTable.descriptions(),
            "experiments": ExperimentTable.descriptions(),
        }
        answer("\n".join(line for kind, names in catalogue.items() for line in _listed(kind, names)), catalogue)


def _listed(kind: str, descriptions: dict[str, str]) -> list[str]:
    width = max(map(len, descriptions), default=0)
    return [kind, *(f"  {name:{width}}  {text}".rstrip() for name, text in descriptions.items())]


def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="A run file; several, for one figure of them all.")],
    figure: Annotated[str | None, typer.Option(metavar="NAME", help="Draw this figure only.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A file or a folder.")] = None,
    font: Annotated[str | None, typer.Option(metavar="FAMILY", help="The font to prefer.")] = None,
) -> None:
    """Draw the figures of a run file and print their paths."""
    with errors_reported(), ExitStack() as stack:
        from neuro_mpc.runfile.reading import reading

        _refuse_figures([str(run) for run in runs if not run.exists()])
        with warnings_reported():
            trees = [stack.enter_context(closing(nm.open_run(run, careful=True))) for run in runs]
        with reading(Path(", ".join(map(str, runs)))), warnings_reported():
            paths = nm.plot_run(trees if len(trees) > 1 else trees[0], figure, out, font)
        tell("\n".join(map(str, paths)), {"files": paths})


def _refuse_figures(missing: list[str]) -> None:
    """A figure in the place of a run file is told as that."""
    if missing:
        from neuro_mpc.plots import FIGURES

        for name in FIGURES.keys() & set(missing):
            raise typer.BadParameter(f"{name} is a figure, not a run file: choose it by --figure {name}")


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="An .html file, or a folder.")] = None,
) -> None:
    """Write a report of a run, one self-contained HTML page, and print its path."""
    with errors_reported(), warnings_reported():
        from neuro_mpc.runfile.reading import reading

        with closing(nm.open_run(run, careful=True)) as tree, reading(run):
            path = nm.report(tree, out)
        tell(path, {"files": [path]})


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file with neural traces.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="The .nwb file to write.")],
    step_duration: Annotated[
        float | None,
        typer.Option(
            metavar="MS", min=0.001, help="Duration of a step, where the run does not tell it.", show_default=False
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
) -> None:
    """Write traces, stimuli and provenance of a run to an NWB file, and print its path."""
    with errors_reported(), written_on(progress_console()) as progress:
        from neuro_mpc.runfile.reading import reading

        with closing(nm.open_run(run, careful=True)) as tree, reading(run):
            path = nm.export(tree, to, step_duration=step_duration, overwrite=overwrite, progress=progress)
    tell(path, {"files": [path]})
