"""What does inference do to the energy of each population?

python analysis/inference.py run.nc --out inference.png
"""

from recipe import answer

from neuro_mpc.analysis import inference_energy


def numbers(run):
    found = inference_energy(run)
    energy = found.sum("step").isel(iteration=[0, -1])
    yield "energy (nats per trial) before and after inference"
    for name in energy["population"].values:
        yield "{:16} {:.4f}, {:.4f}".format(name, *energy.sel(population=name).values)
    if unrecorded := found.attrs["unrecorded"]:
        yield f"no total: {unrecorded} not recorded"
    else:
        yield "{:16} {:.4f}, {:.4f}".format("total", *energy.sum("population").values)


if __name__ == "__main__":
    answer(__doc__, "inference", numbers)
