"""The table rule × task: one command a cell, and one for the table of those that were run.

    python benchmarks/rules_and_tasks.py                                          # the names of all cells
    python benchmarks/rules_and_tasks.py digits-rows/gated/point/fixed-prediction --seeds 0 1 2
    python benchmarks/rules_and_tasks.py --table                                  # Markdown, published numbers below

A cell is TASK/UNITS/SYNAPSES/RULE; `rules_and_tasks.toml` says what each stands for. Run files are kept in a folder
(--out, by default cells), named by cell and seed: what is there is not run again, and what was interrupted continues.
Further settings (--set KEY=VALUE) change all that is run.
"""

from __future__ import annotations

import argparse
import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from time import process_time, time

import numpy as np

import neuro_mpc as nm

TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
AXES = ("task", "units", "synapses", "rule")


def cells() -> Iterator[tuple[str, ...]]:
    """All combinations of task, units, synapses and rule for which there is a circuit."""
    for task, units, synapses, rule in itertools.product(*(TABLE[axis] for axis in AXES)):
        if len(TABLE["units"][units]) > _reads_words(task):
            yield task, units, synapses, rule


def _reads_words(task: str) -> bool:
    return TABLE["task"][task].get("words", False)


def circuit_of(task: str, units: str, synapses: str, settings: dict[str, object]) -> nm.Circuit:
    """The circuit of a cell, with the synapses that are asked for."""
    described = nm.load_circuit(TABLE["units"][units][_reads_words(task)], _of("circuit", settings)).tables()
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
    return TABLE.get("settings", {}).get(task, {}).get(units, {})


def _of(kind: str, settings: dict[str, object]) -> dict[str, object]:
    """The settings of a circuit or a protocol, without that word."""
    return {key.removeprefix(f"{kind}."): value for key, value in settings.items() if key.startswith(f"{kind}.")}


def run(cell: str, seed: int, folder: Path, backend: str, further: dict[str, object]) -> None:
    """Runs a cell with a seed, or what is left of it."""
    task, units, synapses, rule = cell.split("/")
    settings = settings_of(task, units) | further
    folder.mkdir(parents=True, exist_ok=True)
    path, started = folder / f"{cell.replace('/', '+')}+{seed}.nc", time()
    if path.exists():
        return
    circuit, protocol = circuit_of(task, units, synapses, settings), protocol_of(task, rule, settings)
    nm.simulate(circuit, protocol, seed=seed, backend=backend, out=path, resume=True)
    print(f"{cell}, seed {seed}: {time() - started:.0f} s of wall time, {process_time():.0f} s in this process")


def table(folder: Path) -> Iterator[str]:
    """The cells that were run: mean and standard deviation of the seeds, with noise and by mean weights."""
    yield "| task | units | synapses | rule | seeds | measure | with noise | mean weights |"
    yield "|---|---|---|---|---|---|---|---|"
    for cell in cells():
        files = sorted(folder.glob(f"{'+'.join(cell)}+*.nc"))
        if files:
            measure = TABLE["task"][cell[0]]["measure"]
            found = [_measured(path, measure) for path in files]
            noisy, mean = (_summary([each[k] for each in found]) for k in (0, 1))
            yield f"| {' | '.join(cell)} | {len(files)} | {measure.replace('_', ' ')} | {noisy} | {mean} |"
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


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("cells", nargs="*", metavar="TASK/UNITS/SYNAPSES/RULE")
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--out", type=Path, default=Path("cells"), metavar="FOLDER")
    words.add_argument("--backend", choices=["cpp", "cython", "numpy"], default="cpp")
    words.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    words.add_argument("--table", action="store_true", help="the table of the run files of the folder")
    given = words.parse_args()
    names = ["/".join(cell) for cell in cells()]
    if unknown := [cell for cell in given.cells if cell not in names]:
        words.error(f"no cell {unknown[0]!r}; without arguments all are listed")
    further = dict(setting.split("=", 1) for setting in given.set)
    further = {key: tomllib.loads(f"x = {value}")["x"] for key, value in further.items()}
    for cell, seed in itertools.product(given.cells, given.seeds):
        run(cell, seed, given.out, given.backend, further)
    if not given.cells:
        print(*(table(given.out) if given.table else names), sep="\n")


if __name__ == "__main__":
    main()
