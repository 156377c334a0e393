"""A small data set of a user, in every kind of file, and the source that reads it."""

import numpy as np
import pytest
import xarray as xr

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.stimuli.interface import SPLITS

TRIALS, STEPS, UNITS = 30, 5, 3
KINDS = ("netcdf", "zarr", "npz", "packed npz")


def dataset(**changes) -> xr.Dataset:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((TRIALS, STEPS, UNITS)).astype(np.float32)
    values[3, 2] = np.nan
    variables = {
        "x": (("trial", "step", "unit"), values),
        "label": ("trial", np.arange(TRIALS) % 4),
        "symbol": (("trial", "step"), rng.permutation(np.arange(TRIALS * STEPS) % 7).reshape(TRIALS, STEPS) - 1),
        "split": ("trial", np.array((["train"] * 4 + ["test"]) * (TRIALS // 5))),
    }
    return xr.Dataset({**variables, **changes})


def written(data: xr.Dataset, kind: str) -> str:
    """The name of a file of this kind that holds the data."""
    if kind == "netcdf":
        data.to_netcdf("data.nc")
        return "data.nc"
    if kind == "zarr":
        pytest.importorskip("zarr")
        data.to_zarr("data.zarr", zarr_format=2)
        return "data.zarr"
    save = np.savez if kind == "npz" else np.savez_compressed
    save("data.npz", **{name: variable.values for name, variable in data.data_vars.items()})
    return "data.npz"


def loaded(data=None, seed=0, batch=4, circuit="mpl", **keys):
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": "arrays", **keys},
        target={"read": "every"},
        learning={"rate": 0.1, "batch": batch, "epochs": 1},
    )
    return stimuli.load(protocol, nm.load_circuit(circuit), seed, data)


def assert_equal(one, other):
    """Channels, sizes, values and content are those of another source."""
    assert one.channels == other.channels
    for split in SPLITS:
        assert one.size(split) == other.size(split)
        trials = np.random.default_rng(1).permutation(one.size(split))
        for name in one.channels:
            np.testing.assert_array_equal(one.given(split, trials, name), other.given(split, trials, name))
        for part, other_part in zip(one.content(split), other.content(split), strict=True):
            np.testing.assert_array_equal(part, other_part)
