"""All strings of the toy language learned: how the energy falls, and how long a circuit stays in the language.

    python analysis/full_load.py RUN… --out full-load.png

RUN are the run that learned, and runs that test what it learned (--from, no presentation) with other numbers of letters
to generate (protocol.test.generate); runs of several seeds are averaged. Open symbols are the values of figure 2c
of Li, Qiu & Huang (2024). Their energy adds up the errors of the beliefs over the trials of a batch and averages the
loss over them; that of a run is added up in the same way here.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import xarray as xr
from curves import band, number, over_runs, over_seeds, table
from matplotlib.figure import Figure

import neuro_mpc as nm
from neuro_mpc.plots import style
from neuro_mpc.runfile import access

PAPER = tomllib.loads(Path(__file__).with_name("paper_values.toml").read_text(encoding="utf-8"))["toy_language"][
    "full_load"
]
MEASURE = "correct_letter_ratio"
SHOWN = 5  # every fifth epoch of the paper gets a symbol
OPEN = {"color": style.INK, "mfc": "white", "mew": 0.8, "markersize": 4, "zorder": 3}


def energy(run: xr.DataTree) -> xr.DataArray | None:
    """Energy (epoch,), as the paper adds it up, medians over each epoch; None for a run that learned nothing."""
    learning = run["learning"]
    batch = access.describe(run, "protocol")["learning"]["batch"]
    summed = batch * learning["free_energy_hidden"].values + learning["loss"].values
    per_epoch = max(1, strings(run) // batch)
    epochs = len(summed) // per_epoch
    if not epochs:
        return None
    medians = np.median(summed[: epochs * per_epoch].reshape(epochs, per_epoch), axis=1)
    return xr.DataArray(medians, {"epoch": np.arange(epochs) + 1}, "epoch")


def strings(run: xr.DataTree) -> int:
    """Strings that were learned."""
    units = sum(
        each["size"] for each in access.describe(run, "circuit")["population"].values() if each["role"] == "free"
    )
    return round(access.describe(run, "protocol")["stimulus"]["load"] * units)


def ratios(runs: list[xr.DataTree]) -> dict[int, list[float]]:
    """Letters generated → ratio of correct ones, of each run that was evaluated so."""
    found = defaultdict(list)
    for run in runs:
        reached = access.final_measure(run)
        if MEASURE not in reached:
            raise access.lacking(run, MEASURE, "protocol.test.measure=correct-letter-ratio")
        found[access.describe(run, "protocol")["test"]["generate"]].append(float(reached[MEASURE]))
    return dict(sorted(found.items()))


def draw(energies: list[xr.DataArray], found: dict[int, list[float]]) -> Figure:
    figure = style.new_figure(style.DOUBLE, 58 * style.MILLIMETRE)
    left, right = figure.subplots(1, 2)
    if energies:
        band(left, energies, "neuro_mpc", logarithmic=True, color=style.INK)
    logarithm, deviation = np.array(PAPER["log_energy"])[::SHOWN], np.array(PAPER["deviation"])[::SHOWN]
    value = np.exp(logarithm)
    bars = value - np.exp(logarithm - deviation), np.exp(logarithm + deviation) - value
    left.errorbar(1 + SHOWN * np.arange(len(value)), value, bars, fmt="o", elinewidth=0.8, label="paper", **OPEN)
    left.set(xlabel="epoch", ylabel="energy of a batch (nats)", xlim=(0, None))
    means = [np.mean(each) for each in found.values()]
    right.plot(list(found), means, "-o", color=style.INK, label="neuro_mpc")
    right.plot(PAPER["length"], PAPER["ratio"], "o", label="paper", **OPEN)
    right.set(xscale="log", xlabel="letters generated from each letter", ylabel="correct letter ratio")
    right.set_ylim(min(0.99, min(means) - 0.002), 1.001)
    for index, axes in enumerate((left, right)):
        style.letter(axes, index)
        style.legend_above(axes)
    most = max(map(len, found.values()), default=0)
    style.note(figure, f"{over_seeds([len(energies), most])}; paper: bars of one standard deviation")
    return figure


def numbers(energies: list[xr.DataArray], found: dict[int, list[float]]) -> list[str]:
    """Tables in Markdown."""
    paper = dict(zip(PAPER["length"], PAPER["ratio"]))
    lines = [
        table(
            ["letters", "correct letter ratio", "paper"],
            (
                [
                    f"{length:,}",
                    f"{np.mean(each):.4f} ({len(each)} runs)",
                    f"{paper[length]:.4f}" if length in paper else "",
                ]
                for length, each in found.items()
            ),
        )
    ]
    if energies:
        epoch, mean, deviation = over_runs([np.log(each) for each in energies])
        shown = [k for k in (0, 4, 9, 19, 29, 39, 50) if k < len(epoch)]
        lines += [
            "",
            table(
                ["epoch", "ln energy", "paper"],
                (
                    [
                        str(epoch[k]),
                        number(mean[k], deviation[k]),
                        number(*(PAPER[each][k] for each in ("log_energy", "deviation"))),
                    ]
                    for k in shown
                ),
            ),
        ]
    return lines


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("runs", type=Path, metavar="RUN", nargs="+", help="run files of the toy language")
    words.add_argument("--out", type=Path, metavar="FILE", required=True, help="figure to write")
    given = words.parse_args()
    try:
        with ExitStack() as stack, style.applied():
            runs = [stack.enter_context(nm.open_run(path)) for path in given.runs]
            energies, found = [each for each in map(energy, runs) if each is not None], ratios(runs)
            print(*numbers(energies, found), sep="\n")
            draw(energies, found).savefig(given.out)
            print(given.out)
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")


if __name__ == "__main__":
    main()
