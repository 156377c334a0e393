"""Does the absence of an expected stimulus evoke an error?

python analysis/omission.py omission.nc --out omission.png
python analysis/omission.py omission0.nc omission1.nc … --out omission.png      several seeds
"""

from recipe import answer

from neuro_mpc.analysis import contrast, responses


def numbers(runs):
    found, differences = responses(runs), contrast(runs)
    yield f"size of the error by step, mean over {found.attrs['number']} {found.attrs['over']}s"
    yield "population     step   standard   omitted   difference (95 % interval)"
    for population in found["population"].values:
        means = found["mean"].sel(population=population)
        less = differences.sel(population=population, condition="omitted")
        for step in found["step"].values[means.notnull().all("condition").values]:
            standard, omitted = (float(means.sel(condition=name, step=step)) for name in ("standard", "omitted"))
            mean, low, high = (float(less[name].sel(step=step)) for name in ("mean", "low", "high"))
            row = f"{population:14} {step:4} {standard:10.4f} {omitted:9.4f}"
            yield f"{row}   {mean:+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    answer(__doc__, "omission", numbers, several=True)
