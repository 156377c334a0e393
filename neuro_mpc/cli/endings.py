"""How a command ends: with errors and warnings in words, and where it was interrupted."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

import neuro_mpc as nm
from neuro_mpc.errors import without_memory
from neuro_mpc.runs.terminal import mention
from neuro_mpc.spelling import command_line

FAILED, REFUSED, INTERRUPTED = 1, 2, 130


@contextmanager
def errors_reported() -> Iterator[None]:
    """Errors that the user can mend are printed on stderr without a traceback, with the options of the command line.

    So is Ctrl-C, where the command has not said more of it.
    """
    with command_line():
        try:
            yield
        except nm.NeuroMPCError as error:
            mention(f"neuro-mpc: {error}", sys.stderr)
            raise typer.Exit(REFUSED) from None
        except MemoryError as problem:
            mention(f"neuro-mpc: {without_memory(problem)}", sys.stderr)
            raise typer.Exit(REFUSED) from None
        except KeyboardInterrupt:
            mention("neuro-mpc: interrupted", sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


@contextmanager
def warnings_reported() -> Iterator[None]:
    """Warnings are printed on stderr, once each, without the place in our code that issued them."""
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", UserWarning)
        yield
    for message in dict.fromkeys(str(warning.message) for warning in records):  # several figures may say the same
        mention(f"neuro-mpc: {message}", sys.stderr)


@contextmanager
def interruption_reported(out: Path) -> Iterator[None]:
    """Ctrl-C is handled by the run, which closes its file; here its path is printed."""
    try:
        yield
    except KeyboardInterrupt:
        from neuro_mpc.runfile.paths import partial_path

        partial = partial_path(out)
        state = f"{partial} can be read, --resume continues it" if partial.exists() else "nothing was recorded"
        mention(f"neuro-mpc: interrupted: {state}", sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def sweep_interruption_reported() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        mention("neuro-mpc: interrupted: the same command resumes it", sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
