"""Do errors grow with surprise?

python analysis/surprise.py run.nc --out surprise.png
"""

from recipe import answer

from neuro_mpc.analysis import error_by_surprise
from neuro_mpc.plots.populations import free_populations
from neuro_mpc.runfile import access


def numbers(run):
    yield "size of the error (95 % interval) by surprise (nats)"
    for name in (*free_populations(run), access.target_population(run)):
        found = error_by_surprise(run, name)
        yield f"{name}: rank correlation {found.attrs['rank_correlation']:.3f}"
        for at, mean, low, high in zip(*(found[key].values for key in ("mean_surprise", "mean_error", "low", "high"))):
            yield f"  {at:8.3f}   {mean:.4f} ({low:.4f} to {high:.4f})"


if __name__ == "__main__":
    answer(__doc__, "surprise", numbers)
