"""When does each of two areas notice a missing stimulus, when does it learn of an error, and what is feedback worth?

python analysis/two_areas.py areas.nc --out two-areas.png
"""

import numpy as np
from canonical import answer, inferred_by_step

from neuro_mpc import stimuli
from neuro_mpc.plots import style

AREAS = LOWER, HIGHER = "area-1", "area-2"
MISSING, DELAYS = 2, (1, 2, 4)  # the step without a stimulus; delays of feedback
COLOURS = (style.PREDICTION, style.BELIEF, style.OUTPUT)
SILENT = {"m": 0, "pi": 0, "Xi": 0}


def trials(trained):
    """Held-out digits: rows (trial, step, unit) and classes (trial,)."""
    task = stimuli.load(trained.protocol, trained.circuit, trained.seed)
    rows, digits = task.batch("test", np.arange(task.size("test")))
    return rows.swapaxes(0, 1), digits[-1].argmax(-1)


def answered(trained, rows, digits, **changes):
    """What the circuit makes of rows of which the digit is told at the last step.

    Errors leave predictions as they are where these are held, under the scheme `fixed-prediction`.
    """
    classes = np.full(rows.shape[:2], -1)
    classes[:, -1] = digits
    return inferred_by_step(trained, {"stimulus": rows, "target": classes}, changes)


def effects(whole, missing):
    """area → by step, what the missing row changes in predictions, as a share of their size (root mean squares)."""
    return {
        area: size(missing - whole, area, "prediction") / np.sqrt((whole[f"{area}_prediction"] ** 2).mean().item())
        for area in AREAS
    }


def size(found, area, variable):
    """Root mean square by step."""
    return np.sqrt((found[f"{area}_{variable}"] ** 2).mean(("trial", f"{area}_unit"))).values


def accuracy(found, digits):
    return float((found["output_output"][-1].values.argmax(-1) == digits).mean())


def steps(sizes):
    """Those at which something is not exactly zero."""
    return ", ".join(str(step) for step in np.flatnonzero(sizes)) or "none"


def drawn(trained):
    rows, digits = trials(trained)
    without = rows.copy()
    without[:, MISSING] = 0
    silenced = trained.with_parameters({"feedback": SILENT}, "no feedback")
    whole = {name: answered(each, rows, digits) for name, each in (("intact", trained), ("silenced", silenced))}
    changed = {"silenced": effects(whole["silenced"], answered(silenced, without, digits))}
    for delay in DELAYS:
        later = {"projection.feedback.delay": delay}
        shown = (answered(trained, each, digits, **later) for each in (rows, without))
        changed[f"delay {delay}"] = effects(*shown)
    errors = {name: {area: size(found, area, "error") for area in AREAS} for name, found in whole.items()}
    numbers = [f"steps at which a missing row of step {MISSING} changes predictions; at all others exactly 0"]
    numbers += [f"feedback {name}: {_by_area(sizes)}" for name, sizes in changed.items()]
    numbers += [
        f"steps with errors where the digit is told at step {rows.shape[1] - 1}; accuracy of {len(rows)} digits"
    ]
    numbers += [
        f"feedback {name}: {_by_area(sizes)}; {accuracy(whole[name], digits):.3f}" for name, sizes in errors.items()
    ]
    return numbers, figure(changed, errors, len(rows))


def _by_area(sizes):
    return "; ".join(f"{area} {steps(sizes[area])}" for area in AREAS)


def figure(changed, errors, number):
    page = style.new_figure(style.DOUBLE, style.DOUBLE * 0.32)
    lower, higher, last = panels = page.subplots(1, 3)
    looks = {f"delay {delay}": {"color": colour, "marker": "o"} for delay, colour in zip(DELAYS, COLOURS, strict=True)}
    looks["silenced"] = {"color": style.FAINT, "linestyle": "--", "marker": "x"}
    for axes, area in ((lower, LOWER), (higher, HIGHER)):
        for name, sizes in changed.items():
            axes.plot(sizes[area], label=f"feedback {name}", markersize=3, **looks[name])
        axes.set(title=area, xlabel="step", ylabel="effect of the missing row (share)")
    for name, sizes in errors.items():
        for area, line in ((LOWER, "-"), (HIGHER, "--")):
            colour = style.ERROR if name == "intact" else style.FAINT
            last.plot(
                sizes[area], label=f"{area}, feedback {name}", color=colour, linestyle=line, marker="^", markersize=3
            )
    last.set(title="the digit is told at the last step", xlabel="step", ylabel="error (root mean square, a.u.)")
    for index, axes in enumerate(panels):
        style.letter(axes, index)
    higher.legend(loc="upper left")
    last.set_ylim(top=1.6 * last.get_ylim()[1])
    last.legend(loc="upper left")
    style.note(page, f"root mean squares over {number} held-out digits, one run")
    return page


if __name__ == "__main__":
    answer(__doc__, drawn)
