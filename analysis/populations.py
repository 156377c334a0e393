"""What path does a population take through its principal components?

python analysis/populations.py run.nc --out populations.png
"""

from recipe import answer

from neuro_mpc.analysis import principal_components, settled, traces
from neuro_mpc.plots.populations import free_populations


def numbers(run):
    yield "share of the variance of beliefs in the first components"
    for name in free_populations(run):
        found = principal_components(settled(traces(run, name))["belief"], count=5)
        yield f"{name:16} {' '.join(f'{share:.3f}' for share in found['explained'].values)}"


if __name__ == "__main__":
    answer(__doc__, "populations", numbers)
