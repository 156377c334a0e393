"""Ctrl-C and SIGTERM are deferred to a moment when a run can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_interruption() -> Iterator[Callable[[], bool]]:
    """Within, the first signal only makes the returned function answer True; a second one interrupts at once.

    Signals reach the main thread alone: in any other, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []

    def note(number, frame) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    # Ignored signals (nohup) stay ignored; None is a handler that Python did not set and cannot restore.
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    deferred = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    for number in deferred:
        signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in deferred.items():
            signal.signal(number, handler)
