"""Makes run files with hostile objects of HDF5, reads, draws and resumes each, and counts what happens.

    python benchmarks/hostile_files.py [--files 2000] [--first 0] [--seed 0] [--only CHANGE]

Each file has one to three changes of tests/hostile.py.  It has to be refused by an error of this package, or read; no
file outside its folder may be opened or changed, and none may take more than SECONDS of computing or MEMORY.
Files are given in turn to a process that reads BATCH of them; one that ends it is told, and the next process goes on
behind it.  What is not made within MAKING_SECONDS of computing is left out, and counted.  --first reads a corpus in
parts: file N is the same in each.  Openings are seen by a preloaded library, so that those of netCDF and HDF5 count
(needs gcc and Linux).
Of the files that can be read, those of every DRAWN-th round are drawn in one figure, each round in another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import matplotlib as mpl
from hostile import ODD, REFUSED, changed, many_groups, nested_groups, outside_files
from interrupted import simulate
from opened_files import Openings, audited

import neuro_mpc as nm
from neuro_mpc.examination import isolation
from neuro_mpc.plots import FIGURES, plot_run
from neuro_mpc.runfile.reading import reading

SECONDS, MEMORY = 20, 2**30
MAKING_SECONDS = 60
BATCH, DRAWN = 200, 6
CHANGES = (*REFUSED, *ODD)
LONG = (many_groups, nested_groups)  # h5py takes long to find its way through what these leave
NOT_MADE = "not made"
MAKING = (KeyError, ValueError, RuntimeError, OSError, TypeError, IndexError)


@dataclass(frozen=True)
class Ending:
    """How reading or resuming a file ended, what it opened elsewhere, seconds of computing, and bytes of memory."""

    name: str
    work: str
    end: str
    opened: list[str]
    seconds: float
    memory: int

    @property
    def wrong(self) -> bool:
        ended_well = self.end in ("refused", "read", NOT_MADE)
        return not ended_well or bool(self.opened) or self.seconds > SECONDS or self.memory > MEMORY


class TooLong(Exception):
    """Making a file takes too long."""


class Trial:
    """Makes hostile files in a folder and gives them to the package."""

    def __init__(self, folder: Path, seed: int, only: str):
        self._folder, self._seed = folder, seed
        self._changes = [each for each in CHANGES if only in each.__name__]
        (folder / "outside").mkdir()
        self._outside, self._whole = outside_files(folder / "outside"), folder / "whole.nc"
        self._secrets = _contents(self._outside.parent)
        simulate(self._whole)
        with nm.open_run(self._whole) as run:  # what this imports, the processes to come need not
            plot_run(run, "learning", folder)

    def name(self, number: int) -> str:
        return f"file {number}, {', '.join(each.__name__ for each in self._chosen(number)[0])}"

    def endings(self, number: int, openings: Openings) -> Iterator[Ending]:
        """Reads, then resumes a file."""
        room = self._folder / "room"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        try:
            with _limited_making():
                path = self._made(room / "run.nc", number)
        except TooLong:
            yield Ending(self.name(number), "made", NOT_MADE, [], 0, 0)
            return
        for work in (self._read, self._resume):
            _forget_most_memory()
            openings.elsewhere([])
            begun = time.process_time()
            end = _end(work, path, number)
            seconds, memory = time.process_time() - begun, _most_memory()
            opened = openings.elsewhere([room])
            if _contents(self._outside.parent) != self._secrets:
                end = "changed a file outside"
            yield Ending(self.name(number), work.__name__.strip("_"), end, opened, seconds, memory)

    def _chosen(self, number: int) -> tuple[list, random.Random]:
        chance = random.Random(f"{self._seed} {number}")
        others = chance.choices(self._changes, k=chance.choice([0, 0, 1, 2]))
        return sorted([self._changes[number % len(self._changes)], *others], key=lambda each: each in LONG), chance

    def _made(self, path: Path, number: int) -> Path:
        chosen, chance = self._chosen(number)
        shutil.copy(self._whole, path)
        for change in chosen:
            try:
                changed(path, path, change, chance, self._outside)
            except MAKING:
                continue  # one change can take away what the next one needs
        return path

    def _read(self, path: Path, number: int) -> None:
        before = _content(path)
        isolation.trouble(path)
        turn, rest = divmod(number // len(self._changes), DRAWN)
        with nm.open_run(path) as run, reading(path):
            if not rest:
                plot_run(run, [*FIGURES][turn % len(FIGURES)], path.parent)
        if _content(path) != before:
            raise AssertionError("the file was changed by reading it")

    def _resume(self, path: Path, number: int) -> None:
        simulate(path, resume=True)


@contextmanager
def _limited_making() -> Iterator[None]:
    """Within, more than MAKING_SECONDS of computing raise TooLong."""

    def end(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, MAKING_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _end(work, path: Path, number: int) -> str:
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 2 * SECONDS, hard))
    try:
        work(path, number)
        return "read"
    except nm.NeuroMPCError:
        return "refused"
    except BaseException as problem:
        traceback.print_exc()
        return f"ended with {type(problem).__name__}"
    finally:  # making the next file has a limit of its own
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


def _contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def _content(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _forget_most_memory() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _most_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def batch(trial: Trial, numbers: range) -> Iterator[Ending]:
    """The endings of some files, read by one process each time that there is none."""
    while numbers:
        read, write = os.pipe()
        if (process := os.fork()) == 0:
            _work(trial, numbers[:BATCH], write)
        os.close(write)
        with open(read, encoding="utf-8") as told:
            for line in told:
                if line == "\n":  # a file is finished
                    numbers = numbers[1:]
                else:
                    yield Ending(**json.loads(line))
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status:
            yield Ending(trial.name(numbers[0]), "process", f"ended with {status}", [], 0, 0)
            numbers = numbers[1:]


def _work(trial: Trial, numbers: range, write: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends, and tells the totals
    openings = Openings()
    with open(write, "w", encoding="utf-8") as told:
        for number in numbers:
            for ending in trial.endings(number, openings):
                print(json.dumps(asdict(ending)), file=told, flush=True)
            print(file=told, flush=True)
    os._exit(0)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=2000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="")
    asked = options.parse_args()
    mpl.use("agg")
    found: list[Ending] = []
    numbers = range(asked.first, asked.first + asked.files)
    with tempfile.TemporaryDirectory() as folder:
        audited(Path(folder))
        with suppress(KeyboardInterrupt):  # the totals of what was read so far are told
            for ending in batch(Trial(Path(folder), asked.seed, asked.only), numbers):
                found.append(ending)
                if ending.wrong:
                    print(f"{ending.name}, {ending.work}: {ending.end}, {ending.seconds:.1f} s, ", end="")
                    print(f"{ending.memory / 2**20:.0f} MiB", *ending.opened, flush=True)
    ends = Counter(f"{each.work}: {each.end}" for each in found)
    print(*(f"{count:6} {end}" for end, count in sorted(ends.items())), sep="\n")
    slowest, largest = max(each.seconds for each in found), max(each.memory for each in found)
    wrong = sum(each.wrong for each in found)
    print(f"slowest {slowest:.1f} s, largest {largest / 2**20:.0f} MiB, {wrong} wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
