"""What do two levels learn of natural images, and are their errors end-stopped?

python analysis/rao_ballard.py rao-ballard.nc --out rao-ballard.png
"""

import numpy as np
from canonical import answer, inferred

from neuro_mpc import stimuli
from neuro_mpc.plots import style
from neuro_mpc.stimuli.image_patches import aperture

LENGTHS, PLATEAU = np.arange(2, 27, 2), 18  # pixels; a plateau is the mean beyond
ANGLES = np.arange(8) * np.pi / 8
WIDTH, STRONG, TRIALS = 1.2, 0.5, 500  # a bar is 1.2 widths of the filter's centre wide
MIDDLE, FEEDBACK = "patch-2", ("feedback-1", "feedback-2", "feedback-3")


def bars(table):
    """window → (polarity × angle × length, pixel): a bar about the centre of the middle window."""
    row, column = np.mgrid[: table.side, : table.width]
    y, x = row - (table.side - 1) / 2, column - (table.width - 1) / 2
    shown = []
    for sign in (1, -1):
        for angle in ANGLES:
            along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            profile = sign * np.exp(-(across**2) / (2 * (WIDTH * table.centre) ** 2))
            shown += [profile / (1 + np.exp(3 * (np.abs(along) - length / 2))) for length in LENGTHS]
    shown, mask = np.array(shown), aperture(table.side, table.aperture)
    cut = [shown[..., start * table.shift :][..., : table.side] * mask for start in range(table.windows)]
    return {f"window-{number}": patch.reshape(len(shown), -1) for number, patch in enumerate(cut, 1)}


def errors(trained, table):
    """Errors r − h of the middle patch, (polarity × angle, length, unit)."""
    found = inferred(trained, bars(table))[f"{MIDDLE}_error"].values / trained.circuit.precision_of(MIDDLE)
    return found.reshape(2 * len(ANGLES), len(LENGTHS), -1)


def unexplained(trained, data):
    """Σ(r − h)² / Σ r² of the lower level."""
    found = inferred(trained, data)
    names = [name for name in trained.circuit.free if name.startswith("patch")]
    error = sum((found[f"{name}_error"] ** 2).sum() / trained.circuit.precision_of(name) ** 2 for name in names)
    return float(error / sum((found[f"{name}_belief"] ** 2).sum() for name in names))


def drawn(trained):
    table = trained.protocol.stimulus
    without = trained.with_parameters({name: {"m": 0} for name in FEEDBACK}, "no feedback")
    conditions = {"with feedback": errors(trained, table), "without feedback": errors(without, table)}
    # A unit's bar is the one to which it responds most without feedback, whatever its length.
    best = conditions["without feedback"].max(1).argmax(0)
    units = np.arange(len(best))
    curves = {name: found[best, :, units] for name, found in conditions.items()}
    stopped = {name: 1 - curve[:, LENGTHS > PLATEAU].mean(1) / curve.max(1) for name, curve in curves.items()}
    numbers = ["end-stopping, 1 − plateau/peak of the errors to bars of growing length"]
    for name, each in stopped.items():
        numbers.append(
            f"{name:17} over 50 %: {(each > STRONG).sum()} of {len(each)} units; median {np.median(each):.3f}"
        )
    source = stimuli.load(trained.protocol, trained.circuit, trained.seed)
    natural = {name: source.given("test", np.arange(TRIALS), name)[0] for name in source.channels}
    mixed = {name: np.roll(patch, shift, axis=0) for shift, (name, patch) in enumerate(natural.items())}
    numbers += [f"share of the lower beliefs that feedback does not explain, {TRIALS} held-out trials"]
    numbers += [f"windows of one place {unexplained(trained, natural):.3f}"]
    numbers += [f"windows of three places {unexplained(trained, mixed):.3f}"]
    return numbers, figure(trained.parameters["image-2"]["m"], table.side, curves, stopped)


def figure(weights, side, curves, stopped):
    page = style.new_figure(style.DOUBLE, style.DOUBLE * 0.34)
    fields, lines, counts = page.subfigures(1, 3, width_ratios=(1, 1, 1))
    grid = fields.subplots(6, 6)
    for panel in grid.flat:
        panel.set_axis_off()
    for panel, field in zip(grid.flat, weights.T, strict=False):
        limit = np.abs(field).max()
        panel.imshow(field.reshape(side, side), cmap="Greys", vmin=-limit, vmax=limit)
    looks = {
        "with feedback": {"color": style.ERROR, "linestyle": "-"},
        "without feedback": {"color": style.FAINT, "linestyle": "--"},
    }
    axes, bins = lines.subplots(), np.linspace(0, 1, 11)
    histogram = counts.subplots()
    for name, look in looks.items():
        scaled = curves[name] / curves["without feedback"].max(1, keepdims=True)
        axes.plot(LENGTHS, scaled.mean(0), label=name, **look)
        histogram.hist(np.clip(stopped[name], 0, 1), bins, histtype="step", label=name, **look)
    axes.set(xlabel="length of the bar (pixels)", ylabel="error (peak without feedback = 1)")
    axes.set_ylim(bottom=0)
    axes.legend()
    histogram.axvline(STRONG, color=style.INK, linewidth=0.6, linestyle=":")
    histogram.set(xlabel="end-stopping, 1 − plateau/peak", ylabel="units")
    for index, each in enumerate((grid[0, 0], axes, histogram)):
        style.letter(each, index)
    style.note(page, f"b: means over the {len(stopped['with feedback'])} units of the middle patch of one run")
    return page


if __name__ == "__main__":
    answer(__doc__, drawn)
