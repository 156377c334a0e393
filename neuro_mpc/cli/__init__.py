"""The command line.  What is slow to import is imported by the command that needs it."""

from typing import Annotated

import typer

import neuro_mpc as nm
from neuro_mpc.cli.answers import answering
from neuro_mpc.cli.endings import REFUSED, errors_reported
from neuro_mpc.cli.examining import diff, doctor, runs
from neuro_mpc.cli.outcomes import summary
from neuro_mpc.cli.showing import draw, export, list_shipped, plot, report, show
from neuro_mpc.cli.simulating import check, generate, run, sweep
from neuro_mpc.cli.usage import Command, Commands
from neuro_mpc.runs.terminal import write_result

__all__ = ["REFUSED", "app", "summary"]

app = typer.Typer(
    cls=Commands,
    help="Predictive-coding circuits with distributional synapses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(requested: bool) -> None:
    if requested:
        with errors_reported():
            write_result(f"neuro-mpc {nm.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


# In the order of the help.
for name, command in {
    "run": run,
    "sweep": sweep,
    "check": check,
    "show": show,
    "draw": draw,
    "list": list_shipped,
    "plot": plot,
    "generate": generate,
    "report": report,
    "export": export,
    "runs": runs,
    "diff": diff,
    "doctor": doctor,
}.items():
    app.command(name, cls=Command)(answering(command))
