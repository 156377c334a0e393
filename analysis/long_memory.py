"""How circuits learn what has to be remembered: pixels one by one, words and characters.

    python analysis/long_memory.py RUN… --out docs/figures/long-memory.png

A panel for each task, a curve for each circuit; runs that differ in their seed only are one curve. Drawn is what was
measured on the validation trials after each epoch and, at the right edge, on the test trials: with noise, and by mean
weights. Horizontal lines are published values, of benchmarks/rules_and_tasks.toml. The values are printed.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from curves import band, over_seeds, table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc import NeuroMPCError, RunFileError, open_run
from neuro_mpc.plots import style
from neuro_mpc.runfile import access

PUBLISHED = tomllib.loads(
    (Path(__file__).parents[1] / "benchmarks" / "rules_and_tasks.toml").read_text(encoding="utf-8")
)["task"]
TASKS = {  # (source, what is read of it) → title and task among the published ones
    ("idx", 1): ("MNIST, a pixel at a step", "mnist-pixels"),
    ("text", "ptb.train.txt"): ("Penn Treebank, words", "ptb"),
    ("text", "input.txt"): ("tiny Shakespeare, characters", "tinyshakespeare"),
}
MEASURES = ("perplexity", "accuracy", "mean_squared_error")  # drawn is the first that was measured
LOOKS = [
    {"color": style.INK, "linestyle": "-", "marker": "o", "markersize": 3},
    {"color": style.AFTER, "linestyle": "--", "marker": "s", "markersize": 3},
    {"color": style.ERROR, "linestyle": ":", "marker": "^", "markersize": 3},
    {"color": style.OUTPUT, "linestyle": "-.", "marker": "D", "markersize": 3},
]
DASHES = [(0, (4, 2)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (8, 2)), "-"]
MOST_TIMES = 1.5  # published values farther than that from what was learned are left out


@dataclass
class Panel:
    """A task, and the runs of each circuit that learned it."""

    title: str
    measure: str
    published: list[tuple[str, float]]
    groups: dict[str, list[xr.DataTree]] = field(default_factory=dict)


def panels(runs: list[xr.DataTree]) -> list[Panel]:
    """The runs by task, then by circuit; RunFileError for one without tests that such a figure can show."""
    found: dict[tuple, Panel] = {}
    for run in runs:
        protocol, circuit = access.describe(run, "protocol"), access.describe(run, "circuit")
        measure = next((each for each in MEASURES if each in run["learning"] and run["learning"][each].size), None)
        if measure is None:
            raise access.lacking(run, "accuracy", "protocol.test.measure=accuracy")
        stimulus = protocol["stimulus"]
        task = stimulus["source"], stimulus.get("pixels_per_step", stimulus.get("train"))
        title, name = TASKS.get(task, (protocol["name"], ""))
        published = [(rule, value) for rule, value, _ in PUBLISHED.get(name, {}).get("published", [])]
        panel = found.setdefault(task, Panel(title, measure, published))
        panel.groups.setdefault(_label(circuit, protocol), []).append(run)
    return list(found.values())


def _label(circuit: dict, protocol: dict) -> str:
    """A circuit, and what distinguishes its runs from others."""
    parts = [circuit["name"]]
    parts += ["permuted"] * bool(protocol["stimulus"].get("permute"))
    parts += ["tested by mean weights"] * (protocol["test"].get("weights") == "mean")
    return ", ".join(parts)


def curve(run: xr.DataTree, measure: str) -> xr.DataArray:
    """The measure (epoch,) in the tests while it learned, without the one before."""
    learning, protocol = run["learning"], access.describe(run, "protocol")
    if not (epochs := protocol["learning"].get("epochs")):
        raise RunFileError(f"{access.source(run)} learned no whole epochs", hint="--set protocol.learning.epochs=N")
    of_epoch = learning.sizes["presentation"] / epochs
    epoch = np.round(learning["test_presentation"].values / of_epoch, 2)
    found = xr.DataArray(learning[measure].values, {"epoch": epoch}, "epoch")
    return found[epoch > 0]


def of_test(run: xr.DataTree, measure: str) -> tuple[float, float]:
    """On the test trials, with noise and by mean weights."""
    evaluation = run["evaluation"].dataset
    return float(evaluation[measure]), float(evaluation.get(f"{measure}_mean_weights", np.nan))


# --- the figure -------------------------------------------------------------------------------------------


def draw(found: list[Panel]) -> Figure:
    """A panel for each task."""
    figure = style.new_figure(style.SINGLE if len(found) == 1 else style.DOUBLE, 95 * style.MILLIMETRE)
    for index, (axes, panel) in enumerate(zip(figure.subplots(1, len(found), squeeze=False)[0], found)):
        _panel(axes, panel)
        style.letter(axes, index)
        style.heading(axes, panel.title)
    seeds = over_seeds(len(runs) for panel in found for runs in panel.groups.values())
    style.note(figure, f"{seeds}; curves: validation; right of them: test, with noise (open), by mean weights (filled)")
    return figure


def _panel(axes: Axes, panel: Panel) -> None:
    drawn: list[float] = []
    for (label, runs), look in zip(panel.groups.items(), LOOKS):
        curves = [curve(run, panel.measure) for run in runs]
        band(axes, curves, label, **look)
        last = max(float(each["epoch"].max()) for each in curves)
        for noisy, mean in (of_test(run, panel.measure) for run in runs):
            at = {"color": look["color"], "linestyle": "", "marker": look["marker"], "clip_on": False, "markersize": 5}
            axes.plot([last * 1.06], [noisy], mfc="white", **at)
            axes.plot([last * 1.06], [mean], **at)
            drawn += [noisy, mean]
        drawn += [value for each in curves for value in each.values[1:]]
    low, high = (np.nanmin(drawn), np.nanmax(drawn))
    _lines(axes, [each for each in panel.published if low / MOST_TIMES < each[1] < high * MOST_TIMES])
    axes.set_xlabel("epoch")
    axes.set_ylabel(panel.measure.replace("_", " "))
    axes.set_xlim(left=0)
    style.ticks(axes.xaxis, 6)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.28, -0.2), fontsize="small", handlelength=2.5, borderaxespad=0)


def _lines(axes: Axes, published: list[tuple[str, float]]) -> None:
    for (rule, value), dashes in zip(published, DASHES):
        axes.axhline(value, color=style.FAINT, linewidth=0.8, linestyle=dashes, label=rule, zorder=0)


# --- the table --------------------------------------------------------------------------------------------


def rows(found: list[Panel]) -> Iterator[list[str]]:
    """A row for each run."""
    for panel in found:
        for label, runs in panel.groups.items():
            for run in runs:
                noisy, mean = (f"{value:.4g}" for value in of_test(run, panel.measure))
                by_epoch = ", ".join(f"{value:.4g}" for value in curve(run, panel.measure).values)
                yield [panel.title, label, str(run.attrs["seed"]), panel.measure, noisy, mean, by_epoch]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run file")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="figure to write")
    arguments = parser.parse_args()
    head = ["task", "circuit", "seed", "measure", "test, with noise", "test, mean weights", "validation by epoch"]
    try:
        with ExitStack() as stack, style.applied():
            found = panels([stack.enter_context(open_run(path)) for path in arguments.runs])
            draw(found).savefig(arguments.out)
            print(table(head, rows(found)))
    except (NeuroMPCError, OSError) as problem:
        parser.exit(2, f"{parser.prog}: {problem}\n")


if __name__ == "__main__":
    main()
