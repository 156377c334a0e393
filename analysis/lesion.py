"""What does a circuit lose when units or synapses are silenced, and in which order does it matter?

python analysis/lesion.py lesion.nc --out lesion.png
python analysis/lesion.py lesion0.nc lesion1.nc … --out lesion.png      several seeds
"""

from recipe import answer

from neuro_mpc.analysis import lesion_curves


def numbers(runs):
    found = lesion_curves(runs)
    yield f"performance, mean and 95 % interval over {found.attrs['number']} {found.attrs['over']}s"
    yield f"{'silenced':10}" + "".join(f"{order:24}" for order in found["order"].values)
    for fraction in found["fraction"].values:
        row = found.sel(fraction=fraction)
        yield f"{fraction:<10.2f}" + "".join(f"{_interval(row.sel(order=order)):24}" for order in row["order"].values)


def _interval(one):
    mean, low, high = (float(one[name]) for name in ("mean", "low", "high"))
    return f"{mean:.3f} ({low:.3f} to {high:.3f})" if high > low else f"{mean:.3f}"


if __name__ == "__main__":
    answer(__doc__, "lesion", numbers, several=True)
