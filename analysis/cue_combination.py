"""How does a circuit weigh two cues of one cause?

python analysis/cue_combination.py cues.nc --out cue-combination.png
"""

import numpy as np
from canonical import answer, inferred

from neuro_mpc.plots import style
from neuro_mpc.randomness import generator

CONFLICT, TRIALS = 3.0, 4000
VISUAL = (1.0, 2.0, 4.0)  # standard deviations of the visual cue's noise


def weights(trained, deviation):
    """(conflict, estimate), and the slope of one against the other: the weight of the visual cue."""
    conflict = np.linspace(-CONFLICT, CONFLICT, 7)
    data = {"visual": conflict[:, None], "haptic": np.zeros((len(conflict), 1))}
    found = inferred(trained, data, {"population.visual.precision": deviation**-2})
    estimate = found["cause_belief"].values[:, 0]
    return conflict, estimate, np.polyfit(conflict, estimate, 1)[0]


def variances(trained):
    """condition → variance of the estimate of a cause of 0, and its 95 % interval (normal, n − 1 degrees)."""
    rng = generator(trained.seed, "cue-combination")
    cues = {
        name: rng.normal(0, trained.circuit.precision_of(name) ** -0.5, (TRIALS, 1)) for name in trained.circuit.targets
    }
    conditions = {"visual": ["visual"], "haptic": ["haptic"], "both": ["visual", "haptic"]}
    data = {
        name: np.concatenate(
            [values if name in shown else np.full_like(values, np.nan) for shown in conditions.values()]
        )
        for name, values in cues.items()
    }
    estimates = inferred(trained, data)["cause_belief"].values.reshape(len(conditions), TRIALS)
    found = estimates.var(axis=1, ddof=1)
    return dict(zip(conditions, zip(found, 1.96 * found * np.sqrt(2 / (TRIALS - 1)), strict=True), strict=True))


def expected(trained):
    """The same variances of maximum likelihood: 1 / ΣΠ."""
    precision = {name: trained.circuit.precision_of(name) for name in trained.circuit.targets}
    return {**{name: 1 / each for name, each in precision.items()}, "both": 1 / sum(precision.values())}


def drawn(trained):
    haptic = trained.circuit.precision_of("haptic")
    by_noise = {deviation: weights(trained, deviation) for deviation in VISUAL}
    found, theory = variances(trained), expected(trained)
    numbers = ["weight of the visual cue by its σ, found and by precision"]
    numbers += [f"σ = {s:3}   {w:.6f}   {s**-2 / (s**-2 + haptic):.6f}" for s, (*_, w) in by_noise.items()]
    numbers += [f"variance of the estimate, {TRIALS} trials (95 % interval), and 1/ΣΠ"]
    numbers += [f"{name:8} {value:.3f} (± {half:.3f})   {theory[name]:.3f}" for name, (value, half) in found.items()]
    return numbers, figure(by_noise, haptic, found, theory)


def figure(by_noise, haptic, found, theory):
    page = style.new_figure(style.DOUBLE, style.DOUBLE * 0.32)
    slopes, curve, bars = page.subplots(1, 3)
    for index, (deviation, (conflict, estimate, _)) in enumerate(by_noise.items()):
        grey = 0.75 * index / (len(by_noise) - 1)
        slopes.plot(conflict, estimate, "o-", color=str(grey))
        slopes.annotate(
            f"σ = {deviation:g}", (conflict[-1], estimate[-1]), (3, 0), textcoords="offset points", va="center"
        )
    slopes.set(xlabel="visual − haptic cue", ylabel="estimate − haptic cue", xlim=(-CONFLICT - 0.2, CONFLICT + 1.6))
    fine = np.geomspace(0.4, 5, 100)
    curve.plot(fine, fine**-2 / (fine**-2 + haptic), color=style.FAINT, label="precision of the cues")
    curve.plot(list(by_noise), [weight for *_, weight in by_noise.values()], "o", color=style.BELIEF, label="circuit")
    curve.set(xlabel="σ of the visual cue", ylabel="weight of the visual cue", xscale="log", ylim=(0, 1))
    curve.set_xticks(VISUAL, [f"{deviation:g}" for deviation in VISUAL])
    curve.minorticks_off()
    curve.legend(loc="lower left")
    values, halves = zip(*found.values(), strict=True)
    bars.errorbar(range(3), values, halves, fmt="o", color=style.BELIEF, capsize=2, label="circuit, 95 %")
    for place, name in enumerate(found):
        label = "maximum likelihood" if not place else None
        bars.plot([place - 0.25, place + 0.25], [theory[name]] * 2, color=style.FAINT, zorder=0, label=label)
    bars.set(ylabel="variance of the estimate", xlim=(-0.5, 2.5))
    bars.set_ylim(bottom=0)
    bars.set_xticks(range(3), ["visual alone", "haptic alone", "both"])
    bars.legend(loc="center right")
    for index, axes in enumerate((slopes, curve, bars)):
        style.letter(axes, index)
    style.note(page, f"c: 95 % intervals (normal) over {TRIALS:,} trials; a, b: without noise")
    return page


if __name__ == "__main__":
    answer(__doc__, drawn)
