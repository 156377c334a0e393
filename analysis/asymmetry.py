"""Are the two synapses of a pair of units alike?

python analysis/asymmetry.py run.nc --out asymmetry.png
"""

from recipe import answer

from neuro_mpc.analysis import asymmetry, pairs, weights
from neuro_mpc.plots.asymmetry import returning


def numbers(run):
    yield "asymmetry (0 symmetric, 0.5 independent and of mean zero, 1 antisymmetric), first and last snapshot"
    for name, back in returning(run):
        for quantity in ("mean", "variance"):
            there, again = (weights(run, each)[quantity] if each else None for each in (name, back))
            first, last = asymmetry(pairs(there, again)).values[[0, -1]]
            yield f"{name:16} {quantity:8}   {first:.3f}, {last:.3f}"


if __name__ == "__main__":
    answer(__doc__, "asymmetry", numbers)
