"""Does a forbidden letter evoke a larger error?

python analysis/oddball.py oddball.nc --out oddball.png
python analysis/oddball.py oddball0.nc oddball1.nc … --out oddball.png      several seeds
"""

from math import isnan

from recipe import answer

from neuro_mpc.analysis import by_window


def numbers(runs):
    error, surprise = by_window(runs), by_window(runs, "surprise").expand_dims(population=["surprise"])
    yield f"minus standard, mean and 95 % interval over {error.attrs['number']} {error.attrs['over']}s"
    yield "                         before             at the deviant     after"
    for found in (error, surprise):
        for condition in found["condition"].values:
            for population in found["population"].values:
                one = found.sel(condition=condition, population=population)
                yield f"{condition:8} {population:12} " + "  ".join(_windows(one))


def _windows(one):
    for window in one["window"].values:
        mean, low, high = (float(one[name].sel(window=window)) for name in ("mean", "low", "high"))
        yield f"{'—':^24}" if isnan(mean) else f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    answer(__doc__, "oddball", numbers, several=True)
