"""Does a circuit learn in causal time, and how much of the past does it have to remember?

    python analysis/credit.py RUN… --out credit.png

RUN are runs of the same circuits and protocols that differ in learning.credit and in their seed. A table gives, for
each protocol and credit, the mean measure of the test trials (weights at their means) over seeds with its interval; the
figure shows every run.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import xarray as xr
from curves import table
from matplotlib.figure import Figure

import neuro_mpc as nm
from neuro_mpc.analysis.intervals import described, interval
from neuro_mpc.plots import style
from neuro_mpc.runfile import access

CREDITS = ("sequence", "local", "trace", "influence")
LABELS = {
    "accuracy": "accuracy (%)",
    "correct_letter_ratio": "correct letters (%)",
    "perplexity": "perplexity per symbol",
    "mean_squared_error": "mean squared error",
}
SHARES = ("accuracy", "correct_letter_ratio")
Runs = dict[tuple[str, str], dict[str, list[float]]]


def credit_of(run: xr.DataTree) -> str:
    """How errors reached synapses, also where the protocol left it to its window of inference."""
    protocol = access.describe(run, "protocol")
    causal = protocol.get("inference", {}).get("window", "sequence") != "sequence"
    return protocol["learning"].get("credit") or ("local" if causal else "sequence")


def final(run: xr.DataTree) -> tuple[str, float]:
    """The measure of the test trials, with weights at their means where they were evaluated so; shares in percent."""
    ((name, value),) = access.final_measure(run).items()
    evaluation = access.group(run, "evaluation")
    if evaluation is not None and f"{name}_mean_weights" in evaluation:
        value = float(evaluation[f"{name}_mean_weights"])
    return name, 100 * value if name in SHARES else value


def grouped(runs: list[xr.DataTree]) -> Runs:
    """(protocol, measure) → credit → values of the seeds."""
    found: Runs = defaultdict(lambda: defaultdict(list))
    for run in runs:
        name, value = final(run)
        found[access.describe(run, "protocol")["name"], name][credit_of(run)].append(value)
    return found


def rows(found: Runs):
    for (protocol, measure), credits in found.items():
        for credit in filter(credits.get, CREDITS):
            values = np.array(credits[credit])
            low, high = interval(values)
            spread = f" ({low:.1f} to {high:.1f})" if len(values) > 1 else ""
            yield protocol, measure.replace("_", " "), credit, f"{values.mean():.1f}{spread}", str(len(values))


def draw(found: Runs) -> Figure:
    figure = style.new_figure(style.DOUBLE, 55 * style.MILLIMETRE)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for index, (axes, ((protocol, measure), credits)) in enumerate(zip(panels, found.items())):
        shown = [credit for credit in CREDITS if credits.get(credit)]
        for place, credit in enumerate(shown):
            values = np.array(credits[credit])
            beside = place + 0.12 * (np.arange(len(values)) - (len(values) - 1) / 2)
            axes.plot(beside, values, "o", color=style.INK, markersize=3, mfc="none", mew=0.7)
            axes.plot([place - 0.3, place + 0.3], [values.mean()] * 2, color=style.OUTPUT, linewidth=1.2)
            if len(values) > 1:
                axes.vlines(place + 0.4, *interval(values), color=style.OUTPUT, linewidth=0.8)
        axes.set_xticks(range(len(shown)), shown, rotation=30)
        axes.set_xlim(-0.6, len(shown) - 0.3)
        axes.set_ylabel(LABELS.get(measure, measure.replace("_", " ")))
        style.heading(axes, protocol)
        style.letter(axes, index)
    numbers = {len(values) for credits in found.values() for values in credits.values()}
    style.note(figure, "circles: runs; bars: mean, " + " or ".join(described(each, "seed") for each in sorted(numbers)))
    return figure


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("runs", type=Path, metavar="RUN", nargs="+", help="run files")
    words.add_argument("--out", type=Path, default=Path("credit.png"), metavar="FILE", help="the figure")
    given = words.parse_args()
    try:
        with ExitStack() as stack, style.applied():
            found = grouped([stack.enter_context(nm.open_run(path)) for path in given.runs])
            number = max(len(values) for credits in found.values() for values in credits.values())
            print(table(["protocol", "measure", "credit", "mean", "n"], rows(found)))
            print(described(number, "seed"))
            draw(found).savefig(given.out)
            print(given.out)
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")


if __name__ == "__main__":
    main()
