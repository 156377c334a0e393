"""Commands that examine: this installation, a folder of runs, two runs."""

import dataclasses
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

import neuro_mpc as nm
from neuro_mpc.cli.answers import answer
from neuro_mpc.cli.endings import FAILED, errors_reported, warnings_reported

DIFFERENT = 1


def doctor() -> None:
    """Say what is installed, what is missing and how to get it.

    The exit status is 0 unless something that is needed is missing or does not work.
    """
    with errors_reported():
        from neuro_mpc.installation import findings
        from neuro_mpc.installation.finding import as_text

        found = findings()
        answer(as_text(found), {"findings": [dataclasses.asdict(each) for each in found]})
        if any(each.state == "failed" for each in found):
            raise typer.Exit(FAILED)


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder with run files, also in folders inside it.")
    ],
) -> None:
    """List the runs of a folder: circuit, protocol, seed, measure, complete or not."""
    with errors_reported():
        from neuro_mpc.reports.listing import as_text
        from neuro_mpc.runfile.catalogue import catalogue

        entries = catalogue(folder)
        text = as_text(entries) if entries else f"no run files in {folder}"
        answer(text, {"folder": folder, "runs": [dataclasses.asdict(each) for each in entries]})


def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A run file.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    values_only: Annotated[bool, typer.Option("--values", help="Compare values alone.")] = False,
) -> None:
    """Say in what two runs differ: what they were made with, what they measured, and their values.

    As with `diff`, the exit status is 0 where they are equal, 1 where they differ, 2 where there is trouble.
    """
    with errors_reported(), ExitStack() as stack:
        from neuro_mpc.reports.comparison import as_text, compared
        from neuro_mpc.runfile.reading import reading

        with warnings_reported():
            trees = [stack.enter_context(closing(nm.open_run(path, careful=True))) for path in (first, second)]
        with reading(Path(f"{first} or {second}")):
            comparison = compared(trees[0], trees[1], values_only)
        told = dataclasses.asdict(comparison)
        told["made_with"] = [each._asdict() for each in comparison.made_with]
        answer(as_text(comparison), {"equal": comparison.equal, **told})
        if not comparison.equal:
            raise typer.Exit(DIFFERENT)
