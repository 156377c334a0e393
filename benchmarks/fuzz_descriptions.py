"""Feeds malformed circuits, protocols, settings, run files and checkpoints to the commands, and counts what happens.

    python benchmarks/fuzz_descriptions.py [--inputs 10000] [--seed 0] [--only KIND]

Every input has to be refused by an error of this package, or accepted; nothing else may be raised, nothing may be
compiled or started, and no input may take longer than SECONDS or more than MEMORY bytes.  Inputs are given to forked
processes, so that a crash of a library would be seen, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import string
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from malformed import VALUES, expression, forged, mutated_bytes, mutated_tables, mutated_text
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc.cli import app
from neuro_mpc.descriptions.toml_text import parse_toml, to_toml
from neuro_mpc.networks import launch
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.differences import differences
from neuro_mpc.runfile.paths import saved_path
from neuro_mpc.runfile.reading import reading
from neuro_mpc.runs.progress import SilentProgress

SECONDS, MEMORY, AT_ONCE = 30, 3 * 2**30, 50
SMALL = {"stimulus.letters": 6, "stimulus.length": 5, "stimulus.load": 1.0, "learning.batch": 4, "learning.epochs": 4}


class Fuzzer:
    """One kind after the other: makes the numbered input of a kind, and feeds it."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed, self.commands = folder, seed, CliRunner()
        circuit = nm.load_circuit("mpl", {"population.hidden.size": 8})
        protocol = nm.load_protocol("toy-language", SMALL)
        self.circuit, self.protocol = circuit.to_toml(), protocol.to_toml()
        (folder / "circuit.toml").write_text(self.circuit)
        (folder / "protocol.toml").write_text(self.protocol)
        run = folder / "run.nc"
        with contextlib.suppress(KeyboardInterrupt):
            nm.simulate(circuit, protocol, backend="numpy", out=run, checkpoint_every=0, progress=_StopAt())
        self.run = run.with_name("run.nc.partial").read_bytes()
        self.saved, self.origin = saved_path(run).read_bytes(), checkpoint.read(saved_path(run)).origin
        self.kinds = {
            "circuit text": self.circuits_text,
            "circuit tables": self.circuits_tables,
            "protocol text": self.protocols_text,
            "protocol tables": self.protocols_tables,
            "expressions": self.expressions,
            "settings": self.settings,
            "run files": self.runs,
            "checkpoints": self.checkpoints,
            "forged checkpoints": self.forged,
        }

    def command(self, *arguments: str) -> str:
        """Invokes a command; what it raises beyond its own refusal is raised."""
        result = self.commands.invoke(app, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        if "Traceback" in result.output:
            raise AssertionError(result.output)
        return "accepted" if result.exit_code == 0 else "refused"

    def described(self, content: bytes, name: str) -> str:
        (self.folder / f"fuzzed-{name}.toml").write_bytes(content)
        paths = {
            each: str(self.folder / (f"fuzzed-{each}.toml" if each == name else f"{each}.toml"))
            for each in ("circuit", "protocol")
        }
        return self.command("check", paths["circuit"], paths["protocol"], "--backend", "numpy")

    def circuits_text(self, chance):
        return self.described(mutated_text(self.circuit, chance), "circuit")

    def circuits_tables(self, chance):
        return self.described(mutated_tables(self.circuit, chance), "circuit")

    def protocols_text(self, chance):
        return self.described(mutated_text(self.protocol, chance), "protocol")

    def protocols_tables(self, chance):
        return self.described(mutated_tables(self.protocol, chance), "protocol")

    def expressions(self, chance):
        tables = parse_toml(self.circuit)
        synapse = tables["synapse"]["spike-and-slab"]
        place, key = chance.choice(
            [
                (tables["population"]["hidden"], "activation"),
                (synapse, "mean"),
                (synapse, "variance"),
                (synapse["parameter"]["m"], "initial"),
            ]
        )
        place[key] = expression(chance)
        return self.described(to_toml(tables).encode(), "circuit")

    def settings(self, chance):
        keys = [
            "circuit.population.hidden.size",
            "protocol.learning.rate",
            "circuit.synapse",
            "protocol",
            "circuit.name",
            "protocol.stimulus.letters",
            "circuit.projection.input.initial.m",
            "protocol.learning.initial",
            "protocol..a",
        ]
        key = chance.choice(
            [
                *keys,
                chance.choice(keys) + chance.choice([".a", ".", "=", " ", "[0]"]),
                "".join(chance.choices(string.printable, k=8)),
            ]
        )
        value = chance.choice([str(chance.choice(VALUES)), repr(chance.choice(VALUES)), expression(chance), "[" * 3000])
        return self.command(
            "check",
            str(self.folder / "circuit.toml"),
            str(self.folder / "protocol.toml"),
            "--backend",
            "numpy",
            "--set",
            f"{key}={value}",
        )

    def runs(self, chance):
        path = self.folder / "fuzzed.nc"
        path.write_bytes(mutated_bytes(self.run, chance))
        try:
            with nm.open_run(path, careful=True) as run, reading(path):
                run.load()
        except nm.NeuroMPCError:
            return "refused"
        return "accepted"

    def checkpoints(self, chance, mutate=mutated_bytes):
        path = saved_path(self.folder / "fuzzed.nc")
        path.write_bytes(mutate(self.saved, chance))
        try:
            differences(checkpoint.read(path).origin, self.origin)
        except nm.NeuroMPCError:
            return "refused"
        return "accepted"

    def forged(self, chance):
        return self.checkpoints(chance, forged)

    def feed(self, kind: str, number: int) -> str:
        """What becomes of an input: refused, accepted, or the error that it raised."""
        chance = random.Random(f"{self.seed} {kind} {number}")
        signal.alarm(SECONDS)
        try:
            return self.kinds[kind](chance)
        except BaseException as error:
            return f"{type(error).__name__}: {str(error)[:300]}"
        finally:
            signal.alarm(0)


class _StopAt(SilentProgress):
    """Interrupts a run after some presentations, so that its files are those of an unfinished one."""

    def update(self, presentation, free_energy):
        if presentation == 3:
            signal.raise_signal(signal.SIGINT)


def _child(fuzzer: Fuzzer, kind: str, first: int, count: int, pipe: int) -> None:
    def late(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    launch.start = launch.built = None  # to call them would be an error
    with open(pipe, "w") as sink:
        for number in range(first, first + count):
            start = time.perf_counter()
            outcome = fuzzer.feed(kind, number)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            sink.write(json.dumps([number, outcome, time.perf_counter() - start, memory]) + "\n")
            sink.flush()


def fed(fuzzer: Fuzzer, kind: str, count: int):
    """(number, outcome, seconds, most bytes) of each input of a kind."""
    number = 0
    while number < count:
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(read)
            _child(fuzzer, kind, number, min(AT_ONCE, count - number), write)
            os._exit(0)
        os.close(write)
        with open(read) as told:
            for line in told:
                yield tuple(json.loads(line))
                number += 1
        if status := os.waitpid(process, 0)[1]:
            yield number, f"crash: {os.waitstatus_to_exitcode(status)}", 0.0, 0
            number += 1


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--inputs", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only")
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-fuzz-") as folder:
        sys.exit(report(Fuzzer(Path(folder), asked.seed), asked))


def report(fuzzer: Fuzzer, asked: argparse.Namespace) -> bool:
    kinds = [asked.only] if asked.only else list(fuzzer.kinds)
    problems, start = [], time.perf_counter()
    print(f"{'kind':20}{'inputs':>8}{'refused':>9}{'accepted':>10}{'other':>7}{'slowest':>10}{'memory':>10}")
    total = 0
    for position, kind in enumerate(kinds):
        count = asked.inputs // len(kinds) + (position < asked.inputs % len(kinds))
        outcomes, slowest, memory = Counter(), 0.0, 0
        for number, outcome, seconds, most in fed(fuzzer, kind, count):
            known = outcome in ("refused", "accepted")
            outcomes[outcome if known else "other"] += 1
            problems += [] if known else [f"{kind} {number}: {outcome}"]
            slowest, memory = max(slowest, seconds), max(memory, most)
        total += outcomes.total()
        print(
            f"{kind:20}{count:8}{outcomes['refused']:9}{outcomes['accepted']:10}{outcomes['other']:7}"
            f"{slowest:8.1f} s{memory / 1e6:7.0f} MB",
            flush=True,
        )
    print(f"{total} inputs in {time.perf_counter() - start:.0f} s, nothing compiled; {len(problems)} problems")
    print(*problems[:30], sep="\n")
    return bool(problems)


if __name__ == "__main__":
    main()
