"""Makes run files with hostile objects of HDF5, opens, plots and resumes each, and counts what happens.

    python benchmarks/hostile_files.py [--files 2000] [--seed 0] [--only CHANGE]

Each file has one to three changes of tests/hostile.py.  It has to be refused by an error of this package, or read; no
file outside its folder may be opened or changed, and none may take more than SECONDS of computing or MEMORY.
Each file is given to a forked process whose openings of files are audited; as libraries in C open files unseen by
Python, the times of access of the files that the hostile ones lead to are looked at, too.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import matplotlib as mpl
from hostile import ODD, REFUSED, SECRET, changed, outside_files
from interrupted import simulate

import neuro_mpc as nm
from neuro_mpc.plots import plot_run
from neuro_mpc.runfile.reading import reading

SECONDS, MEMORY = 20, 2**30
LONG_AGO = 1e9
REFUSING, READ, OPENED, FAILED = 2, 0, 3, 1


def opened_and_plotted(path: Path) -> None:
    with nm.open_run(path) as run, reading(path):
        plot_run(run, None, path.parent)


def resumed(path: Path) -> None:
    simulate(path, resume=True)


def in_child(work: Callable[[Path], object], path: Path, outside: Path) -> tuple[str, float, int]:
    """How `work` ended in a process of its own, the seconds that it computed, and the most memory it held."""
    process = os.fork()
    if process == 0:
        os._exit(audited(work, path, outside))
    _, status, used = os.wait4(process, 0)
    ends = {REFUSING: "refused", READ: "read", OPENED: "reached outside"}
    end = ends.get(os.waitstatus_to_exitcode(status), f"ended with {os.waitstatus_to_exitcode(status)}")
    return end, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def audited(work: Callable[[Path], object], path: Path, outside: Path) -> int:
    reached: list[object] = []

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and str(arguments[0]).startswith(str(outside.parent)):
            reached.append(arguments[0])

    sys.addaudithook(hook)
    resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
    try:
        work(path)
        end = READ
    except nm.NeuroMPCError:
        end = REFUSING
    except BaseException:
        traceback.print_exc()
        end = FAILED
    return OPENED if reached else end


def untouched(outside: Path) -> bool:
    """Whether the files outside have their content, and were not read since they were made."""
    times = {each.stat().st_atime for each in outside.parent.iterdir()}
    same = outside.read_bytes() == SECRET
    age(outside)
    return same and times == {LONG_AGO}


def age(outside: Path) -> None:
    for each in outside.parent.iterdir():
        os.utime(each, (LONG_AGO, LONG_AGO))


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=2000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="")
    asked = options.parse_args()
    mpl.use("agg")
    changes = [each for each in (*REFUSED, *ODD) if asked.only in each.__name__]
    ends, slowest, largest, wrong = Counter(), 0.0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        (place := Path(folder, "outside")).mkdir()
        outside, whole = outside_files(place), Path(folder, "whole.nc")
        age(outside)
        simulate(whole)
        with nm.open_run(whole) as run:  # what this imports, children need not
            plot_run(run, "learning", folder)
        for number in range(asked.files):
            chance = random.Random(f"{asked.seed} {number}")
            chosen = [changes[number % len(changes)], *chance.choices(changes, k=chance.choice([0, 0, 1, 2]))]
            name = f"file {number}, {', '.join(each.__name__ for each in chosen)}"
            for work in (opened_and_plotted, resumed):
                (room := Path(folder, "room")).mkdir()
                path = made(whole, room / "run.nc", chosen, chance, outside)
                age(outside)
                end, seconds, memory = in_child(work, path, outside)
                if not untouched(outside):
                    end = "reached outside"
                ends[f"{work.__name__}: {end}"] += 1
                slowest, largest = max(slowest, seconds), max(largest, memory)
                if end not in ("refused", "read") or seconds > SECONDS or memory > MEMORY:
                    wrong.append(f"{name}, {work.__name__}: {end}, {seconds:.1f} s, {memory / 2**20:.0f} MiB")
                    print(wrong[-1], flush=True)
                shutil.rmtree(room)
    print(*(f"{count:6} {end}" for end, count in sorted(ends.items())), sep="\n")
    print(f"slowest {slowest:.1f} s, largest {largest / 2**20:.0f} MiB, {len(wrong)} wrong")
    return bool(wrong)


def made(whole: Path, path: Path, chosen: list, chance: random.Random, outside: Path) -> Path:
    changed(whole, path, chosen[0], chance, outside)
    for change in chosen[1:]:
        try:
            changed(path, path, change, chance, outside)
        except (KeyError, ValueError, RuntimeError, OSError, TypeError, IndexError):
            continue  # one change can take away what the next one needs
    return path


if __name__ == "__main__":
    sys.exit(main())
