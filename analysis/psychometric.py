"""How does a circuit decide by the strength of the evidence, and what if it loses synapses?

python analysis/psychometric.py psychometric.nc --out psychometric.png
python analysis/psychometric.py psychometric0.nc psychometric1.nc … --out psychometric.png      several seeds
"""

import numpy as np
from recipe import answer

from neuro_mpc.analysis import experiment, psychometric_curves, psychometric_fit


def numbers(runs):
    results, curves, fit = experiment(runs[0], "psychometric"), psychometric_curves(runs), psychometric_fit(runs)
    yield f"mean and 95 % interval over {fit.attrs['number']} {fit.attrs['over']}s"
    yield f"fraction of choices that are {results.attrs['counted']}, by {results.attrs['against']}"
    yield f"{'':26}" + "".join(f"{level:8.1f}" for level in curves["level"].values)
    for order, fraction in np.ndindex(curves["mean"].shape[:2]):
        curve = curves["mean"].transpose("order", "fraction", "level")[order, fraction]
        yield f"{_name(curve):26}" + "".join(f"{value:8.3f}" for value in curve.values)
    yield "logistic function: sensitivity (nats per unit of evidence), bias (nats)"
    for order, fraction in np.ndindex(curves["mean"].shape[:2]):
        found = fit.isel(order=order, fraction=fraction)
        values = [_interval(found.sel(parameter=parameter)) for parameter in ("sensitivity", "bias")]
        yield f"{_name(found):26}" + "".join(f"{value:28}" for value in values).rstrip()


def _name(values):
    return f"{values['order'].item()}, {100 * values['fraction'].item():g} %"


def _interval(one):
    mean, low, high = (float(one[name]) for name in ("mean", "low", "high"))
    return f"{mean:.3f} ({low:.3f} to {high:.3f})" if high > low else f"{mean:.3f}"


if __name__ == "__main__":
    answer(__doc__, "psychometric", numbers, several=True)
