"""Small runs on the NumPy target in processes of their own, to be interrupted, and compared to the bit."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import netCDF4
import numpy as np
from in_process import started

import neuro_mpc as nm
from neuro_mpc.networks import launch

SETTINGS = {
    "stimulus.letters": 5,
    "stimulus.length": 4,
    "stimulus.load": 4.0,
    "learning.batch": 8,
    "learning.epochs": 5,
    "test.every": 6,
    "test.generate": 3,
    "recording.synapses_every": 5,
    "recording.samples": [0, 9, -1],
}
REFUSED = 2


def simulate(out: Path, settings: dict[str, object] | None = None, **options) -> None:
    """20 presentations of a small circuit."""
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 8})
    protocol = nm.load_protocol("toy-language", {**SETTINGS, **(settings or {})})
    with patch.object(launch, "start", started):
        nm.simulate(
            circuit, protocol, **{"seed": 1, "backend": "numpy", "checkpoint_every": 0, **options}, out=out
        ).close()


@cache
def _imported_and_tried() -> None:
    """What a first run has to load and to derive, which every child would have to do again."""
    with TemporaryDirectory() as folder:
        simulate(Path(folder) / "run.nc", {"learning.epochs": 1, "recording.samples": []})


def in_child(work: Callable[[], object]) -> int:
    """Calls `work` in a process of its own and returns that one's end: 0, REFUSED, 1, or minus the signal."""
    _imported_and_tried()
    process = os.fork()
    if process == 0:
        _leave(work)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def interrupted(
    work: Callable[[], object],
    owner: object,
    name: str,
    turn: int = 1,
    number: int = signal.SIGKILL,
    delay: float = 0.0,
) -> int:
    """As `in_child`, with a signal when the function `name` is called for the `turn`-th time, or some seconds later."""
    _imported_and_tried()
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        tell = (lambda: os.write(write, b".")) if delay else (lambda: os.kill(os.getpid(), number))
        _leave(work, lambda: _call_at(owner, name, turn, tell))
    os.close(write)
    with open(read, "rb") as told:
        if told.read(1):
            time.sleep(delay)
            os.kill(process, number)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _leave(work, *before) -> None:
    try:
        for each in (*before, work):
            each()
        os._exit(0)
    except nm.NeuroMPCError as error:
        print(error, file=sys.stderr)
        os._exit(REFUSED)
    except KeyboardInterrupt:
        os._exit(-signal.SIGINT % 128)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _call_at(owner: object, name: str, turn: int, tell: Callable[[], object]) -> None:
    original, turns = getattr(owner, name), iter(range(1, 10**9))

    def telling(*args, **options):
        if next(turns) == turn:
            tell()
        return original(*args, **options)

    setattr(owner, name, telling)


def content(path: Path) -> dict[str, object]:
    """Everything in a netCDF file but the time of its creation."""
    with netCDF4.Dataset(path) as file:
        return dict(_content(file))


def _content(group: netCDF4.Group):
    for name in group.ncattrs():
        if name != "created":
            yield f"{group.path}@{name}", np.asarray(group.getncattr(name)).tobytes()
    for name, variable in group.variables.items():
        variable.set_auto_mask(False)
        attributes = {each: str(variable.getncattr(each)) for each in variable.ncattrs()}
        yield f"{group.path}/{name}", (variable.dimensions, variable.shape, variable[...].tobytes(), attributes)
    for inner in group.groups.values():
        yield from _content(inner)
