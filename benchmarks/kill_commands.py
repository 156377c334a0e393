"""Kills commands, and the processes that they have started, at random moments; sets the wall clock while they work.

    python benchmarks/kill_commands.py [--commands sweep shared-batch compiling export] [--times 10] [--seed 0]
                                       [--only "the command" …]

Each command of `commands.py` is disturbed in turn: it is killed or interrupted itself; a process that it has started,
some random time after the first of that kind began; or the wall clock goes back or forward, once or more, by up to 40
years, as `wall_clock.c` tells all its processes, and the files that are there get the times that they would have.
Where the command was killed, everything that it has started has to end with it.  Where one of its processes was, it has
to say so, or to do without; where the clock was set, to end as if nothing had happened.  Files have to be the old ones,
the new ones, or none.  Then the command is given again: all content has to be that of the undisturbed one, bit for bit,
times aside, and nothing may be left over.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from commands import COMMANDS, Command, Started

THE_COMMAND, THE_CLOCK = "the command", "the clock"
CLOCK = "NEURO_MPC_CLOCK"
JUMPS = (1, 60, 3600, 86_400, 365 * 86_400, 40 * 365 * 86_400)  # seconds
SECONDS = 300  # for a command
SECONDS_TO_END = 10  # for what a killed command has started
POLL = 0.02
SHORTER = 0.9  # the time from which moments are drawn, after one that came too late: a machine has other work, too


class Clock:
    """The wall clock of processes that are started with these variables."""

    def __init__(self, workspace: Path):
        library, self._file = workspace / "wall_clock.so", workspace / "clock"
        source = Path(__file__).with_name("wall_clock.c")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self.variables = {"LD_PRELOAD": str(library), CLOCK: str(self._file)}
        self.off = 0
        self.set(0)

    def set(self, off: int) -> None:
        self.off = off
        mode = "r+b" if self._file.exists() else "wb"
        with open(self._file, mode) as file:
            file.write(struct.pack("q", off))


class Disturbances:
    """Disturbs a command, and says what is wrong afterwards."""

    def __init__(self, command: Command, clock: Clock, chance: random.Random):
        self.command, self.clock, self.chance = command, clock, chance
        self.slowest_end = 0.0
        self.spans = self._undisturbed()
        self.usual = dict(self.spans)

    def _undisturbed(self) -> dict[str, float]:
        """How long each kind of process is there while the command is left alone, and how long that takes."""
        if not self.command.compiles:
            self.command.begin()
            self.command.started().ended(SECONDS)
        self.command.begin()
        start, seen = time.monotonic(), dict[str, list[float]]()
        started = self.command.started()
        while started.process.poll() is None:
            for kind, ends in self.command.processes.items():
                if started.descendants(ends):
                    seen.setdefault(kind, []).append(time.monotonic())
            time.sleep(POLL)
        status, said = started.ended(SECONDS)
        if status or self.command.processes.keys() - seen.keys():
            raise SystemExit(f"the undisturbed command fails ({status}), or starts no {self.command.processes}: {said}")
        self.command.expect()
        spans = {kind: times[-1] - times[0] for kind, times in seen.items()}
        return {THE_COMMAND: time.monotonic() - start, **spans}

    def disturbed(self, what: str) -> tuple[str, list[str]]:
        """Disturbs it once; what came of it, "" where the moment was missed, and what is wrong."""
        self.command.begin()
        if what == THE_CLOCK:
            return self._with_a_clock()
        started = self.command.started()
        if what == THE_COMMAND:
            sent = self.chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT])
            done = not self._ends_within(started, what) and _sent(started.process.pid, sent)
        else:
            sent, done = signal.SIGKILL, self._process_killed(started, what)
        status, said = started.ended(SECONDS)
        if not done:
            self.spans[what] *= SHORTER
            return "", []
        wrong = self._survivors(started) + self.command.torn() + _in_words(what, sent, status, said)
        return ("ended" if status else "did without"), wrong + self._again()

    def _ends_within(self, started: Started, kind: str) -> bool:
        """Waits for a random time, and says whether the command has ended before."""
        try:
            started.process.wait(self.chance.uniform(0, self.spans[kind]))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _process_killed(self, started: Started, kind: str) -> bool:
        """Kills one of the processes of a kind, a random time after the first of them began."""
        ends = self.command.processes[kind]
        while not started.descendants(ends):
            if started.process.poll() is not None:
                return False
            time.sleep(POLL)
        if self._ends_within(started, kind):
            return False
        found = started.descendants(ends)
        return bool(found) and _sent(self.chance.choice(found), signal.SIGKILL)

    def _survivors(self, started: Started) -> list[str]:
        """What the command has started ends with it, soon."""
        begin = time.monotonic()
        while survivors := started.survivors():
            if time.monotonic() - begin > SECONDS_TO_END:
                for each in survivors:
                    _sent(each, signal.SIGKILL)
                return [f"{len(survivors)} of its processes go on without it"]
            time.sleep(POLL)
        self.slowest_end = max(self.slowest_end, time.monotonic() - begin)
        return []

    def _with_a_clock(self) -> tuple[str, list[str]]:
        self.clock.set(self._jump())
        started = self.command.started(variables=self.clock.variables)
        moments = sorted(self.chance.uniform(0, self.spans[THE_COMMAND]) for _ in range(self.chance.randint(1, 4)))
        begin = time.monotonic()
        for moment in moments:
            with suppress(subprocess.TimeoutExpired):
                started.process.wait(max(0.0, begin + moment - time.monotonic()))
            self.clock.set(self.clock.off + self._jump())
            self._date_files()
        status, said = started.ended(SECONDS)
        wrong = [f"with another clock it ends with {status}: {said[-1500:]}"] if status else self.command.different()
        return "as ever", wrong + self._again()

    def _jump(self) -> int:
        return self.chance.choice(JUMPS) * self.chance.choice((-1, 1))

    def _date_files(self) -> None:
        """As if what is there had been written before the clock was set."""
        then = time.time() - self.clock.off
        for place in (self.command.folder, self.command.cache):
            for path in place.rglob("*"):
                with suppress(OSError):
                    os.utime(path, (then, then))

    def _again(self) -> list[str]:
        status, said = self.command.started(again=True).ended(SECONDS)
        if status:
            return [f"given again, it ends with {status}: {said[-1500:]}"]
        return self.command.different()


def _sent(process: int, number: int) -> bool:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def _in_words(what: str, sent: int, status: int, said: str) -> list[str]:
    """What is wrong with how a command ended, and what it said: a kill of it itself leaves it no words."""
    if what == THE_COMMAND and status == -sent and "Traceback" not in said:  # Ctrl-C: before Python heeds it
        return []
    if "Traceback" in said or status < 0:
        return [f"it ends with {status}: {said[-3000:]}"]
    return ["it ends with an error, and does not say why"] if status and not said.strip() else []


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=COMMANDS)
    options.add_argument("--times", type=int, default=10, help="that each of what can be disturbed is")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", nargs="+", help="disturb these, such as 'the clock' or 'a compiler'")
    asked = options.parse_args()
    faults = 0
    for name in asked.commands:
        with tempfile.TemporaryDirectory(prefix="neuro_mpc-kills-") as workspace:
            place = Path(workspace).resolve()
            faults += report(name, place, asked)
    print(f"{faults} faults")
    sys.exit(bool(faults))


def report(name: str, workspace: Path, asked: argparse.Namespace) -> int:
    start, chance = time.monotonic(), random.Random(f"{name} {asked.seed}")
    disturbances = Disturbances(COMMANDS[name](workspace), Clock(workspace), chance)
    kinds = [
        kind for kind in (THE_COMMAND, *disturbances.command.processes, THE_CLOCK) if kind in (asked.only or [kind])
    ]
    faults = []
    for kind in kinds:
        ends, found = Counter[str](), []
        while ends.total() - ends[""] < asked.times and ends[""] < 5 * asked.times:
            end, wrong = disturbances.disturbed(kind)
            ends[end] += 1
            found += wrong
            print(*wrong, sep="\n", end="\n" * bool(wrong), flush=True)
        missed = ends.pop("", 0)
        told = ", ".join(f"{count} {end}" for end, count in ends.items())
        print(f"{name:14} {kind:14} {told} ({missed} missed), {len(found)} faults", flush=True)
        faults += found
    took = ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in disturbances.usual.items())
    print(
        f"{name:14} undisturbed: {took}; what it had started ended {disturbances.slowest_end:.1f} s after it at the "
        f"latest; {time.monotonic() - start:.0f} s"
    )
    return len(faults)


if __name__ == "__main__":
    main()
