"""Does a circuit respond more to a stimulus where it is rare, and would adaptation do so, too?

python analysis/mismatch.py responses.nc --out mismatch.png
python analysis/mismatch.py responses0.nc responses1.nc … --out mismatch.png      several seeds
"""

from recipe import answer

from neuro_mpc.analysis import adaptation_and_deviance, mismatch, mismatch_means

MEASURES = ("deviant", "control", "index", "slope")
QUANTITIES = ("error", "positive", "negative", "surprise", "adaptation")


def numbers(runs):
    several = runs if len(runs) > 1 else runs[0]
    for quantity in QUANTITIES:
        found = mismatch(several, quantity=quantity, draws=500)
        yield f"{quantity}: mean and 95 % interval over {found.attrs['number']} {found.attrs['over']}s"
        yield f"{'context':13} {'stimulus':15} " + "  ".join(f"{name:24}" for name in MEASURES)
        for comparison in range(found.sizes["comparison"]):
            one = found.isel(comparison=comparison)
            values = (_with_interval(one.sel(measure=name)) for name in MEASURES)
            yield f"{one['context'].item():13} {one['stimulus'].item():15} " + "  ".join(values)
        yield from _controls(several, quantity)


def _controls(runs, quantity):
    """By the number of repetitions, and with many standards as the control, where these blocks were shown."""
    means = mismatch_means(runs, quantity=quantity)
    trains = means.isel(cell=means["block"].values == "repetition").sortby("stimulus")
    for cell in range(trains.sizes["cell"]):
        yield f"{trains['stimulus'][cell].item():29} {_with_interval(trains.isel(cell=cell))}"
    if "many-standards" in means["block"].values:
        parts = adaptation_and_deviance(runs, quantity=quantity, draws=500)
        yield from (
            f"many standards: {name.item():13} {_with_interval(parts.sel(part=name))}" for name in parts["part"]
        )


def _with_interval(one):
    mean, low, high = (one[name].item() for name in ("mean", "low", "high"))
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    answer(__doc__, "mismatch", numbers, several=True)
