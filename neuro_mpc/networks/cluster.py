"""A cluster of dask: its scheduler is asked for by an address, and whatever is wrong is told at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from neuro_mpc.errors import RunError

INSTALL = "pip install '.[sweep]' in a clone of neuro_mpc"
CONNECT_SECONDS = 20
HIGHEST_PORT = 65535
ADDRESS = "the address that dask scheduler prints, such as tcp://10.0.0.1:8786"


def require_dask(need: str) -> None:
    """RunError where dask.distributed is not installed."""
    if find_spec("distributed") is None:
        raise RunError(
            f"{need} dask.distributed, which is not installed",
            hint=f"{INSTALL}, or leave the scheduler out: this machine needs none",
        )


@contextmanager
def client(scheduler: str, **options: Any) -> Iterator:
    """A client of the scheduler at an address, with further options of dask."""
    require_dask("a cluster needs")
    _refuse_unreachable(scheduler)
    from distributed import Client

    try:
        connected = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False, **options)
    except (OSError, ValueError, TimeoutError) as problem:
        raise _no_scheduler(scheduler, problem) from problem
    with connected:
        yield connected


def _refuse_unreachable(scheduler: str) -> None:
    """Raises RunError for an invalid address, and where nothing listens: a client of dask would keep trying."""
    protocol, _, address = scheduler.rpartition("://")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise RunError(f"{scheduler!r} is not the address of a scheduler", hint=ADDRESS)
    if protocol in ("", "tcp", "tls"):
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as problem:
            raise _no_scheduler(scheduler, problem) from problem


def _no_scheduler(scheduler: str, problem: Exception) -> RunError:
    return RunError(f"no scheduler of dask answers at {scheduler}: {problem}", hint=ADDRESS)
