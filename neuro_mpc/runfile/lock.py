"""One run at a time writes to a run file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from neuro_mpc.errors import RunError
from neuro_mpc.runfile.paths import lock_path
from neuro_mpc.system import locks


def refuse_locked(path: Path) -> None:
    """Raises RunError while a run writes to `path`."""
    if lock_path(path).is_file():
        with writing(path):
            pass


@contextmanager
def writing(path: Path, stage: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Held while a run writes to `path`; `stage` is called with a note where the file system has no locks.

    Raises RunError when another run holds it, or when its folder cannot be written.
    """
    with ExitStack() as stack:
        if not _held(stack, path):
            stage(f"the file system of {path} has no locks: make sure that no second run writes there")
        yield


def _held(stack: ExitStack, path: Path) -> bool:
    try:
        return stack.enter_context(locks.held(lock_path(path)))
    except locks.HeldError as other:
        raise RunError(
            f"{path} is being written by {other.holder}", hint="another path for this run, or wait for that one"
        ) from None
    except OSError as problem:
        raise RunError(
            f"{lock_path(path)} cannot be written: {problem.strerror or problem}",
            hint="an existing folder that can be written; a link in the place of this file is not followed",
        ) from problem
