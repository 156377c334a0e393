"""Do networks drawn from the learned distributions differ, and do they do better together?

python analysis/ensemble.py ensemble.nc --out ensemble.png
"""

from recipe import answer

from neuro_mpc.analysis import ensembles, experiment

NAMES = {
    "noise": "the circuit with noise",
    "mean_weights": "every weight at its mean",
    "single": "one network, mean",
    "spread": "one network, standard deviation",
    "worst": "the worst network",
    "best": "the best network",
    "vote": "the most frequent answer of all",
    "mean_output": "the mean output of all",
    "agreement": "equal answers of two networks",
}


def numbers(run):
    found = ensembles(run).isel(run=0)
    yield f"fraction of {experiment(run, 'ensemble').attrs['counted']}"
    for name, label in NAMES.items():
        yield f"{label:32} {float(found[name]):.4f}"


if __name__ == "__main__":
    answer(__doc__, "ensemble", numbers)
