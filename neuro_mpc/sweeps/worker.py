"""A process that runs members of a sweep, one after another, for `neuro_mpc.sweeps.local`.

Its argument is the file of the data that Python handed over, if there are any. A line of standard input is a job, in
JSON. Lines of standard output report the fraction of it that is learned, and its outcome. Nothing listens on a port,
and the script that called `sweep` is not imported.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from neuro_mpc.sweeps.handed_data import received
from neuro_mpc.sweeps.members import Job, Outcome, learn


def main() -> None:
    # What libraries print goes to standard error: standard output belongs to the messages.
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(**message: object) -> None:
        print(json.dumps(message), file=sink, flush=True)

    for line in sys.stdin:
        job = Job(**json.loads(line))
        try:
            data = received(sys.argv[1:])
        except Exception as problem:  # of a class that this process does not know, or of a file that is gone
            send(outcome=asdict(Outcome(job.name, f"the data cannot be read in another process: {problem!r}")))
            continue
        outcome = learn(job, lambda name, fraction: send(name=name, fraction=fraction), data)
        send(outcome=asdict(outcome))


if __name__ == "__main__":
    main()
