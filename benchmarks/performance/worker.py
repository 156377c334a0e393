"""One implementation in a process of its own: prepares a case, then runs as often as it is told.

    python worker.py IMPLEMENTATION CASE THREADS

CASE is JSON: the name of a class of `cases` and its fields.  Answers, one JSON object a line: first what it is ready
for, then the seconds, by the clock and by the processor, of each run that it is asked for.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time


def main(name: str, case: str, threads: int) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    say = lambda **values: print(json.dumps(values), file=answers, flush=True)  # noqa: E731
    module, *options = name.split(":")
    try:
        import cases

        kind, fields = json.loads(case)
        made = importlib.import_module(f"with_{module}").make(getattr(cases, kind)(**fields), threads, *options)
        made.run(getattr(made, "WARM_UP", 3))
    except ImportError as error:
        say(missing=str(error))
        return
    processes = [os.getpid(), *([made.process.pid] if hasattr(made, "process") else [])]
    say(processes=processes, size=_size(made))
    for line in sys.stdin:
        say(**_measured(made, int(line)))


def _size(made) -> float | None:
    """Of what all implementations have to agree on: gradients, or beliefs."""
    for name in ("gradients", "beliefs"):
        if hasattr(made, name):
            return float((getattr(made, name)().astype(float) ** 2).sum()) ** 0.5
    return None


def _measured(made, count: int) -> dict[str, float]:
    if hasattr(made, "measured"):
        return made.measured(count)
    wall, processor = time.perf_counter(), _processor_time(made)
    made.run(count)
    return {"wall": (time.perf_counter() - wall) / count, "processor": (_processor_time(made) - processor) / count}


def _processor_time(made) -> float:
    """Of this process and of the program that does the work for it, if there is one; all threads."""
    used = time.process_time()
    if hasattr(made, "process"):
        used += time.clock_gettime(
            (~made.process.pid << 3) | 2
        )  # the processor-time clock of another process, in Linux
    return used


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
