"""Which rule makes synapses deterministic: the exact one, or the one of the released code?

    python analysis/determinism.py RUN… --out figure.png

Runs that differ in their seed only belong together; intervals (95 %) are those of means over seeds, of Student's t for
fewer than 30; one seed has none. Tables are printed: fraction of deterministic synapses and mean parameters of every
projection before and after learning, and the differences between the projection to the output and the others.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from neuro_mpc import NeuroMPCError, Protocol, RunFileError, open_run
from neuro_mpc.analysis import interval, summary
from neuro_mpc.analysis.intervals import described
from neuro_mpc.descriptions.loading import changed
from neuro_mpc.plots import lettering, style
from neuro_mpc.runfile import access

RULES = {"exact": "exact rule", "as-released": "released rule"}
MEASURES = {
    "deterministic": "fraction deterministic",
    "variability": "variability $v/(\\mu^2+v)$",
    "pi": "mean of $\\pi$",
    "Xi": "mean of $\\Xi$",
}
LOOKS = {
    "exact rule": {"color": style.INK, "marker": "o"},
    "released rule": {"color": style.ERROR, "marker": "^"},
}
Values = dict[str, xr.DataArray]  # rule → (measure, run, projection, end)


def measured(run: xr.DataTree) -> xr.DataArray:
    """(measure, projection, end) of a run, at its first and last snapshot."""
    found = summary(run).isel(snapshot=[0, -1])
    arrays = [found[name].transpose("projection", "snapshot").values for name in ("deterministic", "variability")]
    nodes = [run[f"synapses/{name}"] for name in found["projection"].values]
    for name in ("pi", "Xi"):
        if any(name not in node for node in nodes):
            raise RunFileError(f"{access.source(run)} has synapses without {name}", hint="runs of spike and slab")
        means = [node[name].isel(snapshot=[0, -1]).mean(("post", "pre")).values for node in nodes]
        arrays.append(np.array(means))
    coordinates = {
        "measure": list(MEASURES),
        "projection": found["projection"].values,
        "end": ["first", "last"],
    }
    return xr.DataArray(np.array(arrays), coordinates, ("measure", "projection", "end"))


def grouped(runs: list[xr.DataTree]) -> Values:
    """The measures of the runs of each rule; RunFileError where they differ in more than rule and seed."""
    if len({_setting(run) for run in runs}) > 1:
        raise RunFileError("the runs differ in more than the rule and the seed", hint="one figure for each setting")
    rules: dict[str, list[xr.DataArray]] = {}
    for run in runs:
        rule = RULES[access.describe(run, "protocol")["inference"]["variance_feedback"]]
        rules.setdefault(rule, []).append(measured(run))
    return {rule: xr.concat(each, "run") for rule, each in rules.items()}


def _setting(run: xr.DataTree) -> tuple[str, str]:
    """Circuit and protocol but for the rule; what an older file does not say has its default."""
    protocol = Protocol.from_toml(run.attrs["protocol"])
    return run.attrs["circuit"], changed(protocol, {"inference.variance_feedback": "exact"}).to_toml()


def draw(values: Values) -> Figure:
    """A panel for each measure: projections side by side, open before learning, filled after it."""
    figure = style.new_figure(style.DOUBLE, 56 * style.MILLIMETRE)
    panels = figure.subplots(1, len(MEASURES))
    for index, (axes, (measure, label)) in enumerate(zip(panels, MEASURES.items())):
        for shift, (rule, found) in zip(np.linspace(-0.15, 0.15, len(values)), values.items()):
            _points(axes, found.sel(measure=measure), shift, rule)
        names = next(iter(values.values()))["projection"].values
        axes.set_xticks(range(len(names)), [lettering.shorten(str(name), 10) for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylabel(label)
        if measure in ("deterministic", "variability"):
            axes.set_ylim(0, 1)
        else:
            style.decades(
                axes, np.concatenate([found.sel(measure=measure).values.ravel() for found in values.values()])
            )
        style.letter(axes, index)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    numbers = sorted({found.sizes["run"] for found in values.values()})
    figure.supxlabel(" or ".join(described(number, "run") for number in numbers), fontsize=6)
    return figure


def _points(axes, found: xr.DataArray, shift: float, rule: str) -> None:
    for end, fill in (("first", "white"), ("last", LOOKS[rule]["color"])):
        part = found.sel(end=end).transpose("run", "projection").values
        low, high = np.array([interval(each) for each in part.T]).T
        places, means = np.arange(part.shape[1]) + shift, part.mean(0)
        label = f"{rule}, {'before' if end == 'first' else 'after'} learning"
        axes.vlines(places, low, high, color=LOOKS[rule]["color"], linewidth=1)
        axes.plot(
            places,
            means,
            linestyle="",
            mfc=fill,
            mew=0.8,
            markersize=4,
            clip_on=False,
            label=label,
            **LOOKS[rule],
        )


def tables(values: Values, target: str) -> str:
    """In Markdown."""
    head = ["", "projection", "deterministic before", "after", "variability after", "mean π", "mean Ξ"]
    rows = [
        [rule, str(name), *_row(found.sel(projection=name))]
        for rule, found in values.items()
        for name in found["projection"].values
    ]
    compared = [
        [rule, f"{target} − {name}", *_differences(found, target, name)]
        for rule, found in values.items()
        for name in found["projection"].values
        if name != target
    ]
    first = "after learning, differences between projections"
    return "\n\n".join([_table(head, rows), _table(["", first, "deterministic", "variability"], compared)])


def _row(found: xr.DataArray) -> list[str]:
    before = _interval(found.sel(measure="deterministic", end="first"))
    parameters = (found.sel(measure=name) for name in ("pi", "Xi"))
    changes = (f"{_number(each.sel(end='first').mean())} → {_interval(each.sel(end='last'))}" for each in parameters)
    return [
        before,
        *(_interval(found.sel(measure=name, end="last")) for name in ("deterministic", "variability")),
        *changes,
    ]


def _differences(found: xr.DataArray, target: str, other: str) -> list[str]:
    """Differences within each run, so that what its projections have in common is not in the way."""
    last = found.sel(end="last")
    difference = last.sel(projection=target) - last.sel(projection=other)
    return [_interval(difference.sel(measure=name), "+") for name in ("deterministic", "variability")]


def _interval(values: xr.DataArray, sign: str = "") -> str:
    low, high = interval(values.values)
    shown = [_number(each, sign) for each in (float(values.mean()), low, high)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if values.size > 1 else shown[0]


def _number(value: float, sign: str = "") -> str:
    return f"{float(value):{sign}.2g}" if abs(value) < 0.095 else f"{float(value):{sign}.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))


def to_target(run: xr.DataTree) -> str:
    """The projection that ends at the target, or whose synapses one does that is tied to it."""
    projections, target = access.describe(run, "circuit")["projection"], access.target_population(run)
    return next(each.get("tied", name) for name, each in projections.items() if each["to"] == target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run files of one circuit and protocol")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="figure to write")
    arguments = parser.parse_args()
    try:
        with ExitStack() as stack, style.applied():
            runs = [stack.enter_context(open_run(path)) for path in arguments.runs]
            values = grouped(runs)
            draw(values).savefig(arguments.out)
            print(tables(values, to_target(runs[0])))
    except (NeuroMPCError, OSError) as problem:
        parser.exit(2, f"{parser.prog}: {problem}\n")


if __name__ == "__main__":
    main()
