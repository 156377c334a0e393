"""Do iso-oriented surrounds suppress the errors of a patch, and cross-oriented ones not?

python analysis/surround.py surround.nc [surround1.nc …] --out rao-ballard-surround.png
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from canonical import inferred

import neuro_mpc as nm
from neuro_mpc.analysis.intervals import described, interval
from neuro_mpc.plots import style
from neuro_mpc.stimuli.image_patches import aperture

RADIUS, PERIOD, EDGE = 3.0, 7.0, 3.0  # pixels: of the centre, of the gratings; steepness of the border
ANGLES, PHASES = np.arange(8) * np.pi / 8, np.arange(4) * np.pi / 2
MIDDLE = "patch-5"
SHOWN = ("alone", "iso", "cross")
PUBLISHED = {"iso": -85.3, "cross": 19.1}  # per cent (Rao & Ballard 1999)


def gratings(size):
    """condition → (angle × phase, row, column): a centre alone, continued by its surround, and crossed by it."""
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    centre = 1 / (1 + np.exp(EDGE * (np.hypot(row, column) - RADIUS)))

    def waves(turned):
        across = [row * np.cos(angle + turned) - column * np.sin(angle + turned) for angle in ANGLES]
        return np.array([np.cos(2 * np.pi * each / PERIOD + phase) for each in across for phase in PHASES])

    along = waves(0)
    return {"alone": along * centre, "iso": along, "cross": along * centre + waves(np.pi / 2) * (1 - centre)}


def windows(images, table):
    """window → (trial, pixel): what each window sees of the images."""
    mask, seen = aperture(table.side, table.aperture), {}
    for number in range(1, table.windows + 1):
        row, column = table.corner(number)
        patch = images[:, row : row + table.side, column : column + table.side] * mask
        seen[f"window-{number}"] = patch.reshape(len(images), -1)
    return seen


def responses(trained):
    """condition → sizes of the errors r − h of the middle patch (unit,), each to the grating that it prefers alone."""
    table, images = trained.protocol.stimulus, gratings(trained.protocol.stimulus.width)
    found = inferred(trained, windows(np.concatenate([images[name] for name in SHOWN]), table))
    errors = np.abs(found[f"{MIDDLE}_error"].values) / trained.circuit.precision_of(MIDDLE)
    errors = errors.reshape(len(SHOWN), len(ANGLES) * len(PHASES), -1)
    best = errors[0].argmax(axis=0)
    return dict(zip(SHOWN, errors[:, best, np.arange(len(best))]))


def changes(found):
    """condition → change of the mean error by the surround, per cent."""
    return {name: 100 * (found[name].mean() / found["alone"].mean() - 1) for name in SHOWN[1:]}


def silenced(trained):
    names = [name for name, each in trained.circuit.projection.items() if each.source == "context"]
    return trained.with_parameters({name: {"m": 0} for name in names}, "no feedback")


def figure(runs, by_run):
    """The runs' mean changes with intervals, and the units of the first run."""
    page = style.new_figure(style.DOUBLE, style.DOUBLE * 0.36)
    stimuli, bars, units = page.subfigures(1, 3, width_ratios=(0.8, 1.1, 1))
    panels = stimuli.subplots(1, len(SHOWN))
    for panel, (name, images) in zip(panels, gratings(14).items(), strict=True):
        panel.imshow(images[len(PHASES) * 2], cmap="Greys")
        panel.set_axis_off()
        panel.set_title(name)
    axes = bars.subplots()
    for place, (condition, look) in enumerate({"with feedback": style.ERROR, "without feedback": style.FAINT}.items()):
        values = np.array([[each[name] for name in PUBLISHED] for each in by_run[condition]])
        ends = np.array([interval(column) for column in values.T])
        at, mean = np.arange(len(PUBLISHED)) + 0.3 * (place - 1), values.mean(axis=0)
        reach = np.abs(ends.T - mean) if len(values) > 1 else None
        axes.bar(at, mean, 0.28, yerr=reach, color=look, label=condition, error_kw={"elinewidth": 0.8})
    axes.plot(
        np.arange(len(PUBLISHED)) + 0.3,
        list(PUBLISHED.values()),
        "o",
        markerfacecolor="white",
        color=style.INK,
        label="published",
    )
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set(ylabel="change of the error by the surround (%)", ylim=(-100, 90))
    axes.set_xticks(np.arange(len(PUBLISHED)), ["iso-oriented", "cross-oriented"])
    axes.legend()
    scatter = units.subplots()
    for name, marker, face in (("iso", "o", style.ERROR), ("cross", "^", "white")):
        scatter.plot(
            runs[0]["alone"], runs[0][name], marker, color=style.ERROR, markerfacecolor=face, label=f"{name}-oriented"
        )
    most = 1.1 * max(values.max() for values in runs[0].values())
    scatter.plot([0, most], [0, most], color=style.FAINT, linewidth=0.8)
    scatter.set(
        xlabel="error, centre alone (a.u.)", ylabel="error with a surround (a.u.)", xlim=(0, most), ylim=(0, 1.3 * most)
    )
    scatter.legend()
    for index, each in enumerate((panels[0], axes, scatter)):
        style.letter(each, index)
    style.note(page, described(len(runs), "run"))
    return page


def answer():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run files of several seeds")
    words.add_argument("--out", type=Path, metavar="FILE", required=True, help="a figure (png, pdf, svg)")
    given = words.parse_args()
    try:
        trained = [nm.load_trained(run) for run in given.runs]
        found = {
            "with feedback": [responses(each) for each in trained],
            "without feedback": [responses(silenced(each)) for each in trained],
        }
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")
    by_run = {condition: [changes(each) for each in runs] for condition, runs in found.items()}
    print(f"change of the mean error of {MIDDLE} by a surround (per cent), {len(trained)} runs")
    for condition, runs in by_run.items():
        for name in PUBLISHED:
            values = np.array([each[name] for each in runs])
            low, high = interval(values)
            print(f"{condition:17} {name:6} {values.mean():+6.1f} ({low:+.1f} to {high:+.1f})  {np.round(values, 1)}")
    with style.applied():
        figure(found["with feedback"], by_run).savefig(given.out)
    print(given.out)


if __name__ == "__main__":
    answer()
