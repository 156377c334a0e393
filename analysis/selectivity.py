"""Which symbols do units, and their errors, answer to?

python analysis/selectivity.py run.nc --out selectivity.png
"""

from recipe import answer

from neuro_mpc.analysis import selectivity
from neuro_mpc.plots.populations import free_populations


def numbers(run):
    yield "share of a unit's variance that the target's symbol explains: median, largest; units by symbol"
    for name in free_populations(run):
        for quantity in ("rate", "error"):
            found = selectivity(run, name, quantity)
            preferred = found["preferred"].values
            counts = (
                f"{symbol}:{(preferred == number).sum()}"
                for number, symbol in zip(found["symbol"].values, found["name"].values)
            )
            share = found["explained"]
            yield f"{name:16} {quantity:6} {share.median():.3f}, {share.max():.3f}   {' '.join(counts)}"


if __name__ == "__main__":
    answer(__doc__, "selectivity", numbers)
