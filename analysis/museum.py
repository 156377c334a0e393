"""Which responses to the unexpected survive, in which circuits?

    python analysis/museum.py "held signed points=pc-r0.nc,pc-r1.nc" … --keep museum.csv      response files of seeds
    python analysis/museum.py museum.csv --out museum.png

Of each circuit, its runs of the experiment "mismatch" under its name, such as "causal split distributions"; after a
stroke, what else was different ("held signed points/9 of each"). "fatigue" is the input that tires, "early …" what
causal circuits show as a step begins, before their beliefs settle. What was kept of earlier runs (.csv) is a source
like others. Tables give the contrast of each paradigm in each circuit.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from curves import table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import neuro_mpc as nm
from neuro_mpc.analysis import interval, paradigms, verdict
from neuro_mpc.analysis.intervals import described
from neuro_mpc.analysis.paradigms import LEAST, index
from neuro_mpc.plots import style

FATIGUE, EARLY = "fatigue", "early"
QUANTITIES = {FATIGUE: "adaptation", EARLY: "surprise"}
"""First word of a circuit → what is measured of it, where that is not its error."""
TIMES = {"held": "held", "causal": "causal", EARLY: "causal, as a step begins"}
KINDS = ("signed points", "signed distributions", "split points", "split distributions")
CIRCUITS = (*(f"{time} {kind}" for time in TIMES for kind in KINDS), FATIGUE)
RARE, LESS_RARE = "9 of each", "140 of each"
RELIABLE, NOISY = "noise 0.05", "noise 0.2"
EFFECTS = {
    "standard": "`standard`",
    "sequence": "`sequence`",
    "sensorimotor": "`sensorimotor`",
    "duration": "`duration`",
    "omission": "omission, `duration`",
    "usual element": "usual element",
    "repetition": "last of a train",
    "many standards": "many standards",
    "local": "local: B, not A",
    "global": "global: rare end",
    "rarity": "rarity",
    "precision": "precision: size",
    "precise index": "precision: index",
}
"""Effect → its label in tables and in the figure."""
ACROSS = 5
"""Panels in a row of the figure."""


class Kept(NamedTuple):
    """What is kept of a run: the means of a paradigm."""

    circuit: str
    variant: str
    paradigm: str
    seed: int
    response: float
    reference: float


def of_runs(text: str) -> Iterator[Kept]:
    """From a source such as "held signed points/9 of each=r0.nc,r1.nc"."""
    name, _, files = text.rpartition("=")
    circuit, _, variant = name.partition("/")
    quantity = QUANTITIES.get(circuit.split()[0], "error")
    for seed, path in enumerate(files.split(",")):
        with nm.open_run(path) as run:
            found = paradigms(run, quantity=quantity).isel(run=0)
        for name in found["paradigm"].values.tolist():
            means = found.sel(paradigm=name)
            yield Kept(circuit, variant, name, seed, float(means["response"]), float(means["reference"]))


def read(path: Path) -> list[Kept]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [Kept(*row[:3], int(row[3]), float(row[4]), float(row[5])) for row in rows]


def keep(rows: Iterable[Kept], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(Kept._fields)
        out.writerows(map(line, rows))


def line(row: Kept) -> tuple[str, ...]:
    return (*map(str, row[:4]), f"{row.response:.8g}", f"{row.reference:.8g}")


def effects(rows: Iterable[Kept]) -> dict[tuple[str, str], np.ndarray]:
    """Effect and circuit → its size in each seed, of what the circuit was shown."""
    kept: dict[tuple[str, str, str], list[Kept]] = {}
    for row in rows:
        kept.setdefault((row.circuit, row.variant, row.paradigm), []).append(row)
    means = {key: np.array([(row.response, row.reference) for row in group]).T for key, group in kept.items()}
    circuits = dict.fromkeys(row[0] for row in kept)
    found = {(effect, circuit): size(effect, circuit, means) for circuit in circuits for effect in EFFECTS}
    return {key: values for key, values in found.items() if len(values)}


def size(effect: str, circuit: str, means: dict[tuple[str, str, str], np.ndarray]) -> np.ndarray:
    """Of one effect in each seed; none, where the circuit was not shown what it takes."""
    variants = {"rarity": (RARE, LESS_RARE), "precision": (RELIABLE, NOISY), "precise index": (RELIABLE, NOISY)}
    paradigm = "standard" if effect in variants else effect
    needed = [(circuit, variant, paradigm) for variant in variants.get(effect, ("",))]
    if not all(key in means for key in needed):
        return np.array([])
    if effect not in variants:
        return index(*means[needed[0]])
    seeds = min(means[key].shape[1] for key in needed)
    one, other = (means[key][:, :seeds] for key in needed)
    return index(one[0], other[0]) if effect == "precision" else index(*one) - index(*other)


def written(values: np.ndarray | None) -> str:
    """Mean and interval: in bold where the interval excludes 0, in italics where it says nothing."""
    if values is None:
        return ""
    mean, (low, high) = decimals(values.mean()), (decimals(end) for end in interval(values))
    look = {"none": mean, "unclear": f"*{mean}*"}.get(verdict(values), f"**{mean}**")
    return f"{look} ({low} to {high})" + ("" if len(values) == 5 else f", n = {len(values)}")


def decimals(value: float) -> str:
    """.024, −.330, — where there is none."""
    if np.isnan(value):
        return "—"
    text = f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else f"{value:.2f}"
    return "." + 3 * "0" if text in (".000", "-.000") else text.replace("-", "−")


def tables(found: dict[tuple[str, str], np.ndarray]) -> Iterator[str]:
    """Of circuits whose predictions are held, and of those whose beliefs settle step by step, as they have and before.
    There is a row for each effect that was found in one of them."""
    for time, title in TIMES.items():
        columns = [*(f"{time} {kind}" for kind in KINDS), *([FATIGUE] if time == "held" else [])]
        rows = ([EFFECTS[effect], *(written(found.get((effect, each))) for each in columns)] for effect in EFFECTS)
        head = [name.removeprefix(f"{time} ") for name in columns]
        yield table([f"{title}: index of", *head], [row for row in rows if any(row[1:])])


def draw(found: dict[tuple[str, str], np.ndarray]) -> Figure:
    """A panel for each effect that was found in more than two circuits; of others tables tell."""
    shown = [effect for effect in EFFECTS if sum(effect == name for name, _ in found) > 2]
    down = -(-len(shown) // ACROSS)
    figure = style.new_figure(style.DOUBLE, 54 * down * style.MILLIMETRE)
    panels = figure.subplots(down, ACROSS, sharey=True, squeeze=False).ravel()
    for place, (axes, effect) in enumerate(zip(panels, shown)):
        draw_effect(axes, {circuit: found.get((effect, circuit)) for circuit in CIRCUITS})
        style.heading(axes, EFFECTS[effect].replace("`", ""))
        style.letter(axes, place)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    number = max(len(values) for values in found.values())
    figure.supxlabel("contrast, (response − reference)/(response + reference)", fontsize="medium")
    style.note(figure, f"{described(number, 'seed')}; filled where it excludes 0")
    return figure


def draw_effect(axes: Axes, found: dict[str, np.ndarray | None]) -> None:
    """Mean and interval in each circuit, with the band of sizes that would not count."""
    axes.axvspan(-LEAST, LEAST, color=style.FAINT, alpha=0.2, linewidth=0)
    axes.axvline(0, color=style.FAINT, linewidth=0.6)
    for place, (circuit, values) in enumerate(found.items()):
        if values is None:
            continue
        color = style.INK if circuit == FATIGUE else style.ERROR if "points" in circuit else style.BELIEF
        filled = color if verdict(values) in ("more", "less") else "white"
        axes.hlines(place, *interval(values), color=color, linewidth=0.8)
        axes.plot(values.mean(), place, "s" if "split" in circuit else "o", color=color, mfc=filled, markersize=3)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    style.ticks(axes.xaxis, 3)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("sources", metavar="SOURCE", nargs="+", help="NAME=RUN,RUN… or a .csv that was kept")
    words.add_argument("--keep", type=Path, metavar="FILE", help="write what the figure needs (.csv)")
    words.add_argument("--out", type=Path, metavar="FILE", help="the figure")
    given = words.parse_args()
    try:
        rows = [row for text in given.sources for row in (read(Path(text)) if "=" not in text else of_runs(text))]
        print(*tables(effects(rows)), sep="\n\n")
        if given.keep:
            keep(rows, given.keep)
            print(given.keep)
        if given.out:
            with style.applied():
                draw(effects(rows)).savefig(given.out, metadata={"Description": digest(rows)})
            print(given.out)
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")


def digest(rows: Iterable[Kept]) -> str:
    """What tells whether a figure shows these numbers."""
    return hashlib.sha256(repr([line(row) for row in rows]).encode()).hexdigest()


if __name__ == "__main__":
    main()
