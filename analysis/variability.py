"""Do synapses become deterministic, and is the output more variable than the rest?

python analysis/variability.py run.nc --out variability.png
"""

from recipe import answer

from neuro_mpc.analysis import compare_projections, most_variable_units, summary, weights


def numbers(run):
    found, compared = summary(run), compare_projections(run)
    yield "projection       deterministic first, last   variability last (95 % interval)   most variable"
    for name in found["projection"].values:
        before, after = found["deterministic"].sel(projection=name).values[[0, -1]]
        one = compared.sel(projection=name)
        units = most_variable_units(weights(run, name, snapshots=[-1]), number=5)["unit"].values
        interval = f"{one['variability']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
        yield f"{name:16} {before:19.3f}, {after:.3f}   {interval:32}   {' '.join(map(str, units))}"
    last = compared["projection"].values[-1]
    for other in compared["other"].values[:-1]:
        one = compared.sel(projection=last, other=other)
        yield (
            f"{last} − {other}: {one['difference']:+.3f} "
            f"({one['difference_low']:+.3f} to {one['difference_high']:+.3f})"
        )


if __name__ == "__main__":
    answer(__doc__, "variability", numbers)
