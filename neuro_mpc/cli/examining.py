"""Commands that examine: this installation, a folder of runs, two runs."""

import dataclasses

import typer

from neuro_mpc.cli.answers import answer
from neuro_mpc.cli.endings import FAILED, errors_reported


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
