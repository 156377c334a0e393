"""A Python process that runs a circuit's network with Brian2's runtime targets, driven like the compiled program.

    python -m neuro_mpc.networks.worker PLAN.json TARGET MANIFEST.json CACHE FLAGS

Flags of the compiler, and a folder for what they compile, are of use to the target "cython" only.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

import numpy as np

from neuro_mpc.networks.quick_import import import_brian2


class Worker:
    """Answers the messages of `neuro_mpc.networks.program` with a Brian2 network."""

    def __init__(self, model, names: list[str], source, sink):
        self.source, self.sink = source, sink
        variables = model.variables()
        self.arrays = [variables[name].get_value() for name in names]
        self.runners = model.runners

    def converse(self) -> None:
        from neuro_mpc.networks.program import CODES

        handlers = {
            CODES["SET"]: self._set,
            CODES["GET"]: self._get,
            CODES["STEP"]: self._step,
            CODES["FLUSH"]: lambda number: self.sink.flush(),
        }
        while len(header := self.source.read(8)) == 8:
            code, number = np.frombuffer(header, dtype=np.int32)
            if code == CODES["END"]:
                break
            handlers[int(code)](int(number))

    def _set(self, number: int) -> None:
        array = self.arrays[number]
        array[:] = np.frombuffer(self.source.read(array.nbytes), dtype=array.dtype)

    def _get(self, number: int) -> None:
        self.sink.write(self.arrays[number].tobytes())

    def _step(self, number: int) -> None:
        for runner in self.runners:
            runner.run()


def converse(worker: Worker) -> None:
    """Answers a run until it ends, or ends this process where the run cannot be reached."""
    try:
        worker.converse()
    except OSError as problem:
        print(f"the run cannot be reached: {problem.strerror}", file=sys.stderr, flush=True)
        os._exit(1)  # what was not written cannot be now, either


def main(plan_path: Path, target: str, manifest_path: Path, cache: str, flags: list[str]) -> None:
    # Whatever prints goes to the log: standard output belongs to the conversation.
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    gc.disable()  # what is made until the network is there stays
    import_brian2(target)
    from brian2 import prefs

    from neuro_mpc.networks.model import Model
    from neuro_mpc.networks.plan import Plan

    plan = Plan.from_json(plan_path.read_text())
    prefs.core.default_float_dtype = np.dtype(plan.precision).type
    prefs.codegen.target = target
    if target == "cython":
        prefs.codegen.cpp.extra_compile_args = flags
        prefs.codegen.runtime.cython.cache_dir = cache
    model = Model(plan, target)
    model.generate()
    gc.enable()
    manifest = model.manifest()
    partial = manifest_path.with_suffix(".partial")
    manifest.save(partial)
    os.replace(partial, manifest_path)
    sink.write(b"ready\n")
    sink.flush()
    converse(Worker(model, list(manifest.variables), sys.stdin.buffer, sink))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5]))
