"""How many strings have to be learned before a circuit writes correct letters by itself?

    python analysis/data_load.py SWEEP… --out figure.png

SWEEP is the sweep.nc, or the folder, of a sweep over protocol.stimulus.load. Drawn are the ratio of correct
letters by load (mean over seeds, with a 95 % interval), and the curve that is fitted near the onset. Open
symbols and the thin line are the paper's (Li, Qiu & Huang 2024).
"""

from __future__ import annotations

import argparse
import tomllib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from neuro_mpc import NeuroMPCError, RunFileError
from neuro_mpc.analysis import by_load, intervals, onset, power_law
from neuro_mpc.plots import style

PAPER = tomllib.loads(Path(__file__).with_name("paper_values.toml").read_text(encoding="utf-8"))["toy_language"]
MEASURE = "correct_letter_ratio"
LOOKS = (
    {"color": style.INK, "linestyle": "-", "marker": "o"},
    {"color": style.FAINT, "linestyle": "--", "marker": "s"},
    {"color": style.BELIEF, "linestyle": ":", "marker": "^"},
    {"color": style.PREDICTION, "linestyle": "-.", "marker": "D"},
)
OPEN = {"color": style.INK, "marker": "o", "mfc": "white", "mew": 0.8, "markersize": 4, "zorder": 3}


def opened(path: str) -> xr.Dataset:
    """The combined file of a sweep over loads, and nothing else but seeds."""
    file = Path(path) / "sweep.nc" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise RunFileError(f"{file} is not there", hint="neuro-mpc sweep … --over protocol.stimulus.load=…")
    try:
        with xr.open_dataset(file) as found:
            found.load()
    except (ValueError, OSError) as problem:
        raise RunFileError(f"{file} cannot be read: {problem}") from None
    if MEASURE not in found or set(found[MEASURE].dims) != {"load", "seed"}:
        raise RunFileError(f"{file} is no sweep of {MEASURE} over load and seed alone")
    return found


def label(sweep: xr.Dataset) -> str:
    """The settings that distinguish one sweep from another."""
    protocol = tomllib.loads(sweep.attrs["protocol"])
    learning, inference = protocol["learning"], protocol["inference"]
    length = f"{learning['presentations']} updates" if "presentations" in learning else f"{learning['epochs']} epochs"
    rule = {"exact": "exact rule", "as-released": "released rule"}[inference["variance_feedback"]]
    heard = {"every": "", "last": ", last output fed back"}[inference.get("output_feedback", "every")]
    return f"{protocol['name']}, {rule}{heard}, {length}, {sweep.sizes['seed']} seeds"


def named(sweeps: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The sweeps by their labels, with the name of the file or folder where these are the same."""
    labels = [label(each) for each in sweeps.values()]
    return {
        f"{text}, {Path(path).name}" if labels.count(text) > 1 else text: each
        for text, (path, each) in zip(labels, sweeps.items())
    }


def draw(sweeps: dict[str, xr.Dataset], fits: dict[str, xr.Dataset], below: float) -> Figure:
    figure = style.new_figure(style.DOUBLE, (66 + 4 * len(sweeps)) * style.MILLIMETRE)
    panels = figure.subplots(1, 2)
    for axes in panels:
        for (name, sweep), look in zip(sweeps.items(), LOOKS):
            _points(axes, by_load(sweep[MEASURE]), name, look)
        axes.errorbar(
            PAPER["load"],
            PAPER["ratio"],
            PAPER["deviation"],
            linestyle="",
            elinewidth=0.8,
            label="paper",
            **OPEN,
        )
        axes.axhline(PAPER["chance"], color=style.FAINT, linestyle=(0, (1, 2)), zorder=0, label="chance")
        axes.set(xlabel="data load: strings per hidden unit", ylabel="correct letter ratio", ylim=(0, 1.03))
    panels[0].set_xscale("log")
    panels[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    last = 1.15 * max([float(fit["load"].max()) for fit in fits.values()] or [0.5])
    panels[1].set(xlim=(0, last), ylim=(0, 1.2 * below))
    _fitted(panels[1], fits, list(sweeps), last)
    for index, axes in enumerate(panels):
        style.letter(axes, index)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    numbers = {sweep.sizes["seed"] for sweep in sweeps.values()}
    kinds = " or ".join(sorted({intervals.kind(number) for number in numbers}))
    figure.supxlabel(
        f"bands: 95 % {kinds} intervals of the mean over seeds; bars of the paper: standard deviations", fontsize=6
    )
    return figure


def _points(axes: Axes, found: xr.Dataset, name: str, look: dict) -> None:
    axes.plot(found["load"], found["mean"], label=name, **look)
    axes.fill_between(found["load"], found["low"], found["high"], color=look["color"], alpha=0.2, linewidth=0)


def _fitted(axes: Axes, fits: dict[str, xr.Dataset], names: list[str], last: float) -> None:
    """The curves near the onset, each through its points, thicker than the lines between these."""
    loads = np.linspace(0, last, 400)
    for name, fit in fits.items():
        axes.plot(
            loads,
            power_law(loads, *fit["value"].values),
            color=LOOKS[names.index(name)]["color"],
            linewidth=2,
            alpha=0.5,
        )
    axes.plot(
        loads,
        power_law(loads, *(PAPER["onset"][name] for name in fit_names())),
        color=style.ERROR,
        linewidth=0.8,
    )


def fit_names() -> list[str]:
    return ["offset", "amplitude", "onset", "exponent"]


def numbers(sweeps: dict[str, xr.Dataset], fits: dict[str, xr.Dataset], problems: dict[str, str]) -> str:
    """Tables in Markdown."""
    means = {name: by_load(sweep[MEASURE]) for name, sweep in sweeps.items()}
    loads = sorted({float(load) for each in means.values() for load in each["load"]})
    paper = dict(zip(PAPER["load"], PAPER["ratio"]))
    rows = [
        [
            f"{load:g}",
            *(_mean(each, load) for each in means.values()),
            f"{paper[load]:.3f}" if load in paper else "",
        ]
        for load in loads
    ]
    first = _table(["load", *sweeps, "paper"], rows)
    shown = [[name, *(_interval(fit, each) for each in fit_names())] for name, fit in fits.items()]
    shown += [["paper", *(f"{PAPER['onset'][each]:g}" for each in fit_names())]]
    failed = [
        f"{name}: {int((sweep['complete'] == 0).sum())} of {sweep['complete'].size} runs failed"
        for name, sweep in sweeps.items()
        if (sweep["complete"] == 0).any()
    ]
    failed += [f"{name}: {problem}" for name, problem in problems.items()]
    return "\n\n".join([first, _table(["fit near the onset", *fit_names()], shown), *failed])


def _mean(found: xr.Dataset, load: float) -> str:
    if load not in found["load"]:
        return ""
    one = found.sel(load=load)
    return (
        f"{float(one['mean']):.3f} ± {float(one['deviation']):.3f}" if one["runs"] > 1 else f"{float(one['mean']):.3f}"
    )


def _interval(fit: xr.Dataset, name: str) -> str:
    one = fit.sel(parameter=name)
    return f"{float(one['value']):.3f} ({float(one['low']):.3f} to {float(one['high']):.3f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))


def fitted(sweeps: dict[str, xr.Dataset], below: float, draws: int) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """The fits, and why there is none for the other sweeps."""
    fits, problems = {}, {}
    for name, sweep in sweeps.items():
        try:
            fits[name] = onset(sweep[MEASURE], below=below, draws=draws)
        except NeuroMPCError as problem:
            problems[name] = str(problem)
    return fits, problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", metavar="SWEEP", help="sweep.nc, or its folder; at most four")
    parser.add_argument("--below", type=float, default=0.5, help="fit loads up to this ratio (default: 0.5)")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap samples of the fits (default: 1000)")
    parser.add_argument("--out", type=Path, metavar="FILE", required=True, help="figure to write")
    arguments = parser.parse_args()
    if len(arguments.sweeps) > len(LOOKS):
        parser.error(f"at most {len(LOOKS)} sweeps")
    try:
        with ExitStack() as stack:
            stack.enter_context(style.applied())
            sweeps = named({path: opened(path) for path in arguments.sweeps})
            fits, problems = fitted(sweeps, arguments.below, arguments.draws)
            draw(sweeps, fits, arguments.below).savefig(arguments.out)
            print(numbers(sweeps, fits, problems))
    except (NeuroMPCError, OSError) as problem:
        parser.exit(2, f"{parser.prog}: {problem}\n")


if __name__ == "__main__":
    main()
