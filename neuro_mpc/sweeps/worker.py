"""A process that runs members of a sweep, one after another, for `neuro_mpc.sweeps.local`.

A line of standard input is a job, in JSON. Lines of standard output report the fraction of it that is learned, and its
outcome. Nothing listens on a port, and the script that called `sweep` is not imported.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from neuro_mpc.sweeps.members import Job, learn


def main() -> None:
    # What libraries print goes to standard error: standard output belongs to the messages.
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(**message: object) -> None:
        print(json.dumps(message), file=sink, flush=True)

    for line in sys.stdin:
        outcome = learn(Job(**json.loads(line)), lambda name, fraction: send(name=name, fraction=fraction))
        send(outcome=asdict(outcome))


if __name__ == "__main__":
    main()
