"""Data of Python on their way to the processes of members: in a private file, as only this user can write to it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neuro_mpc.errors import RunError
from neuro_mpc.networks.workspace import workspace, writing_temporary_files

NAME = "data.pickle"


@contextmanager
def handed_over(data: Any) -> Iterator[tuple[str, ...]]:
    """The path of a file that holds the data until the block ends, or nothing where there are none."""
    if data is None:
        yield ()
        return
    with workspace() as folder:
        path = folder / NAME
        with writing_temporary_files(), path.open("wb") as file:
            _write(data, file)
        yield (str(path),)


def received(paths: list[str]) -> Any:
    """The data of the file that `handed_over` names, if there is one."""
    if not paths:
        return None
    with Path(paths[0]).open("rb") as file:
        return pickle.load(file)


def _write(data: Any, file: Any) -> None:
    try:
        pickle.dump(data, file, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError) as problem:
        raise RunError(
            f"data: {type(data).__name__} cannot be handed to another process: {problem}",
            hint="workers=1, or arrays in memory: data.load()",
        ) from None
