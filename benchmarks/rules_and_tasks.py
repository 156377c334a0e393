"""The table rule × task: one command a cell, or a pattern of cells, and one for the table of those that were run.

    python benchmarks/rules_and_tasks.py                                          # the names of all cells
    python benchmarks/rules_and_tasks.py digits-rows/gated/point/fixed-prediction --seeds 0 1 2
    python benchmarks/rules_and_tasks.py 'copying/*' --estimate                   # time and memory that they will take
    python benchmarks/rules_and_tasks.py '*'                                      # all of them
    python benchmarks/rules_and_tasks.py --table                                  # Markdown, published numbers below

A cell is TASK/UNITS/SYNAPSES/RULE; `rules_and_tasks.toml` says what each stands for. Each run is a process of its own.
Run files are kept in a folder (--out, by default cells), named by cell and seed, beside a file of what they took. What
is there, or has diverged, is not run again; what was interrupted continues. Further settings (--set KEY=VALUE) change
all that is run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from time import time
from typing import Any

import numpy as np

import neuro_mpc as nm
from neuro_mpc.descriptions.loading import parse_settings
from neuro_mpc.descriptions.settings import written_value
from neuro_mpc.runfile.paths import saved_path
from neuro_mpc.runs.divergence import Diverged

DIVERGES = 3  # exit status of a process whose run diverged: a result, too
TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
AXES = ("task", "units", "synapses", "rule")
BELIEF_PRECISION = "belief_precision"  # of all free populations, where a rule needs one


def cells() -> Iterator[tuple[str, ...]]:
    """All combinations of task, units, synapses and rule for which there is a circuit."""
    for task, units, synapses, rule in itertools.product(*(TABLE[axis] for axis in AXES)):
        if len(TABLE["units"][units]) > _reads_words(task):
            yield task, units, synapses, rule


def _reads_words(task: str) -> bool:
    return TABLE["task"][task].get("words", False)


def circuit_of(task: str, units: str, synapses: str, rule: str, settings: dict[str, object]) -> nm.Circuit:
    """The circuit of a cell, with the synapses that are asked for and beliefs as precise as the rule needs them."""
    described = nm.load_circuit(TABLE["units"][units][_reads_words(task)], _of("circuit", settings)).tables()
    if BELIEF_PRECISION in TABLE["rule"][rule]:
        precision = settings.get(BELIEF_PRECISION, TABLE["rule"][rule][BELIEF_PRECISION])
        for population in described["population"].values():
            if population.get("role", "free") == "free":
                population.setdefault("precision", precision)
    replaced = TABLE["synapses"][synapses]
    for projection in described["projection"].values():
        if projection["synapse"] in replaced:
            projection["synapse"] = replaced[projection["synapse"]]
            projection["initial"] = {key: value for key, value in projection["initial"].items() if key == "m"}
    used = {projection["synapse"] for projection in described["projection"].values()}
    described["synapse"] = {key: value for key, value in described["synapse"].items() if key in used}
    return nm.Circuit.from_tables(described)


def protocol_of(task: str, rule: str, settings: dict[str, object]) -> nm.Protocol:
    """The protocol of a cell."""
    return nm.load_protocol(task, _of("protocol", TABLE["rule"][rule]) | _of("protocol", settings))


def settings_of(task: str, units: str) -> dict[str, object]:
    """What a cell needs besides the settings of its rule: of its task, then of its task and units."""
    settings = TABLE["settings"].get(task, {})
    return settings.get("all", {}) | settings.get(units, {})


def further_settings(texts: list[str]) -> dict[str, object]:
    """What is set for all cells. Raises DescriptionError for a text that sets nothing of them."""
    start = f"{BELIEF_PRECISION}="
    own = [(BELIEF_PRECISION, written_value(text.removeprefix(start))) for text in texts if text.startswith(start)]
    others = parse_settings(text for text in texts if not text.startswith(start))
    of_both = zip(("circuit", "protocol"), others, strict=True)
    return dict(own) | {f"{kind}.{key}": value for kind, settings in of_both for key, value in settings.items()}


def _of(kind: str, settings: dict[str, object]) -> dict[str, object]:
    """The settings of a circuit or a protocol, without that word."""
    return {key.removeprefix(f"{kind}."): value for key, value in settings.items() if key.startswith(f"{kind}.")}


def described(cell: str, further: dict[str, object]) -> tuple[nm.Circuit, nm.Protocol]:
    """The circuit and the protocol of a cell."""
    task, units, synapses, rule = cell.split("/")
    settings = settings_of(task, units) | further
    return circuit_of(task, units, synapses, rule, settings), protocol_of(task, rule, settings)


def path_of(cell: str, seed: int, folder: Path) -> Path:
    return folder / f"{cell.replace('/', '+')}+{seed}.nc"


def kept(path: Path) -> dict[str, Any]:
    """What was written down of a run; nothing, if nothing was."""
    told = path.with_suffix(".json")
    return json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}


def run_apart(cell: str, seed: int, folder: Path, settings: list[str], words: list[str]) -> bool:
    """Runs a cell with a seed, or what is left of it, in a process of its own, and writes down what it takes; whether
    it came to its end, or diverged."""
    path, started = path_of(cell, seed, folder), time()
    before = kept(path)
    untold = not before and saved_path(path).exists()  # what it took before both processes were killed
    if path.exists() or before.get("diverged"):
        return True
    folder.mkdir(parents=True, exist_ok=True)
    words = ["--seeds", str(seed), "--out", str(folder), *(f"--set={each}" for each in settings), *words]
    work = subprocess.Popen([sys.executable, __file__, cell, "--here", *words])
    _, status, used = os.wait4(work.pid, 0)
    work.returncode = os.waitstatus_to_exitcode(status)
    seconds = used.ru_utime + used.ru_stime + before.get("computing", 0)  # of all its processes
    largest = max(used.ru_maxrss * 1024, before.get("memory", 0))  # the largest of them
    diverged = work.returncode == DIVERGES
    in_part = untold or before.get("in_part", False)
    taken = {"computing": seconds, "memory": largest, "diverged": diverged, "in_part": in_part, "set": settings}
    path.with_suffix(".json").write_text(json.dumps(taken), encoding="utf-8")
    end = ", diverged" if diverged else f", ended with {work.returncode}" if work.returncode else ""
    print(f"{cell}, seed {seed}: {time() - started:.0f} s of wall time, {seconds:.0f} s of computing{end}", flush=True)
    return diverged or not work.returncode


def table(folder: Path) -> Iterator[str]:
    """The cells that were run: mean and standard deviation of the seeds, with noise and by mean weights, but of those
    that diverged."""
    yield "| task | units | synapses | rule | seeds | measure | with noise | mean weights | computing | memory |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for cell in cells():
        files = sorted(folder.glob(f"{'+'.join(cell)}+*.nc"))
        told = {path.with_suffix(".nc"): kept(path) for path in folder.glob(f"{'+'.join(cell)}+*.json")}
        taken = [each for path, each in told.items() if path in files or each.get("diverged")]
        diverged = sum(each.get("diverged", False) for each in taken)
        if runs := len(files) + diverged:
            measure = TABLE["task"][cell[0]]["measure"]
            found = [_measured(path, measure) for path in files]
            noisy, mean = (_summary([each[k] for each in found]) for k in (0, 1)) if files else ("", "")
            if diverged:
                noisy = ", ".join(filter(None, [noisy, "diverged" if not files else f"{diverged} diverged"]))
            yield f"| {' | '.join(cell)} | {runs} | {measure.replace('_', ' ')} | {noisy} | {mean} | {_taken(taken)} |"
    yield ""
    for task, described in TABLE["task"].items():
        for rule, value, source in described.get("published", []):
            yield f"{task}, published: {value:g}, {rule} ({source})"


def _measured(path: Path, measure: str) -> tuple[float, float]:
    """A measure of the test trials with noise and, where weights have a variance, with mean weights."""
    with nm.open_run(path) as opened:
        evaluation = opened["evaluation"].dataset
        return tuple(float(evaluation.get(name, np.nan)) for name in (measure, f"{measure}_mean_weights"))


def _summary(values: list[float]) -> str:
    mean, deviation = np.mean(values), np.std(values, ddof=1) if len(values) > 1 else 0
    return "" if np.isnan(mean) else f"{mean:.4g}" + (f" ± {deviation:.2g}" if len(values) > 1 else "")


def _taken(found: list[dict[str, float]]) -> str:
    """The computing time of a run, and the largest of its processes: the means of the seeds; more than that (>) where a
    part of one is not known."""
    if not found:
        return " | "
    seconds, memory = (np.mean([each[what] for each in found]) for what in ("computing", "memory"))
    more = "> " if any(each.get("in_part") for each in found) else ""
    return f"{more}{seconds:.0f} s | {memory / 2**20:.0f} MiB"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("cells", nargs="*", metavar="TASK/UNITS/SYNAPSES/RULE", help="or patterns with *")
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--out", type=Path, default=Path("cells"), metavar="FOLDER")
    words.add_argument("--backend", choices=["cpp", "cython", "numpy"], default="cpp")
    words.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    words.add_argument("--table", action="store_true", help="the table of the run files of the folder")
    words.add_argument("--estimate", action="store_true", help="time and memory of the cells, as neuro-mpc check says")
    words.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process
    given = words.parse_args()
    names = ["/".join(cell) for cell in cells()]
    for pattern in given.cells:
        if not any(fnmatchcase(name, pattern) for name in names):
            words.error(f"no cell {pattern!r}; without arguments all are listed")
    asked = [name for name in names if any(fnmatchcase(name, pattern) for pattern in given.cells)]
    try:
        further = further_settings(given.set)
    except nm.DescriptionError as problem:
        words.error(str(problem))
    all_ended, runs = True, [(cell, seed) for cell in asked for seed in given.seeds]
    for path in () if given.estimate or given.here else (path_of(*each, given.out) for each in runs):
        if sorted(before := kept(path).get("set", given.set)) != sorted(given.set):
            words.error(f"{path} was run with other settings, {' '.join(before) or 'none'}; another folder: --out")
    for cell, seed in runs:
        if given.estimate:
            taken = nm.check(*described(cell, further), seed=seed, backend=given.backend)
            print(f"{cell}, seed {seed}: {taken.seconds:.0f} s, {taken.memory / 2**20:.0f} MiB", flush=True)
        elif given.here:
            path = path_of(cell, seed, given.out)
            try:
                nm.simulate(*described(cell, further), seed=seed, backend=given.backend, out=path, resume=True)
            except Diverged as problem:
                print(f"{cell}, seed {seed}: {problem}", file=sys.stderr)
                raise SystemExit(DIVERGES) from None
        else:
            all_ended &= run_apart(cell, seed, given.out, given.set, ["--backend", given.backend])
    if not given.cells:
        print(*(table(given.out) if given.table else names), sep="\n")
    if not all_ended:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
