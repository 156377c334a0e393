"""How large are beliefs, predictions, errors and rates, step by step?

python analysis/profiles.py run.nc --out profiles.png
"""

from recipe import answer

from neuro_mpc.analysis import profile, settled, traces
from neuro_mpc.plots.populations import free_populations


def numbers(run):
    yield "root mean squares by step"
    for name in free_populations(run):
        found = profile(settled(traces(run, name)), "step")
        for quantity in ("belief", "prediction", "error", "rate"):
            yield f"{name:16} {quantity:10}   {' '.join(f'{value:.4g}' for value in found[quantity].values)}"


if __name__ == "__main__":
    answer(__doc__, "profiles", numbers)
