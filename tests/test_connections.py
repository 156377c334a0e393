"""Projections that connect some pairs of units only: what is read, refused and drawn."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from connected import MASK, circuit

import neuro_mpc as nm
from neuro_mpc.descriptions.connections import fixed_mask, near
from neuro_mpc.descriptions.recorded import circuit_of_run, without_masks
from neuro_mpc.errors import DescriptionError
from neuro_mpc.runs import checks
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.connections import existing, mask_for
from neuro_mpc.simulation.sampling import draw_weights


@pytest.mark.parametrize(
    ("connect", "key", "problem", "expected"),
    [
        ("al", "up.connect", "is no way to connect populations", 'such as|"one-to-one"'),
        ({"radius": 3}, "up.connect.radius", "unknown key", "random, local, mask"),
        ({"random": 0.0}, "up.connect.random", "is out of range", "above 0"),
        ({"random": 1.5}, "up.connect.random", "is out of range", "at most 1"),
        ({"random": 0.1, "local": 2}, "up.connect", "has random and local", "one of them"),
        ({}, "up.connect", "has none of random, local and mask", "one of them"),
        ("one-to-one", "up.connect", "low has 6 units, high 8", "populations of the same size"),
        ({"local": 0.1}, "up.connect.local", "no unit is that near to another", "a radius that reaches some"),
        ({"mask": MASK.T}, "up.connect.mask", "the mask has the shape (6, 8)", "(n_post, n_pre) = (8, 6)"),
        ({"mask": 0 * MASK}, "up.connect.mask", "the mask connects nothing", "a 1 for every synapse"),
        ({"mask": 2 * MASK}, "up.connect.mask", "holds other values than 0 and 1, such as 2", "0 or 1"),
        ({"mask": [["a"]]}, "up.connect.mask", "holds values of the type <U1", "0 or 1"),
        ({"mask": ["01", "0"]}, "up.connect.mask", "has rows of different lengths", "0 or 1"),
        ({"mask": [[1], [1, 0]]}, "up.connect.mask", "has rows of different lengths", "0 or 1"),
        ({"mask": "mask.txt"}, "up.connect.mask", "mask.txt is no file of a mask", ".npy"),
        ({"mask": "none.npy"}, "up.connect.mask", "none.npy cannot be read: No such file", "an array of 0 or 1"),
        (np.full((8, 6), np.nan), "up.connect.mask", "holds other values than 0 and 1, such as nan", "0 or 1"),
    ],
)
def test_a_connection_is_refused_by_name(connect, key, problem, expected):
    with pytest.raises(DescriptionError) as caught:
        circuit(connect)
    assert caught.value.key == f"projection.{key}"
    assert problem in str(caught.value)
    assert any(part in caught.value.expected for part in expected.split("|"))


def test_a_mask_that_is_not_there_is_told_with_one_of_a_similar_name(tmp_path):
    np.save(tmp_path / "sparse.npy", MASK)
    with pytest.raises(DescriptionError, match="No such file(.*\n)*.*did you mean 'sparse.npy'"):
        circuit({"mask": str(tmp_path / "spars.npy")})


def test_a_transposed_mask_is_told_where_the_data_give_one_of_the_sizes():
    tables = circuit().tables()
    tables["projection"]["in"]["connect"] = {"mask": ["111111"] * 3}
    with pytest.raises(DescriptionError, match=r"= \(6, n\)\n.*the transpose of the mask"):
        nm.Circuit.from_tables(tables)


def test_neighbours_need_grids_of_as_many_dimensions():
    with pytest.raises(DescriptionError, match=r"the units lie on \[6\] in the sender and on \[2, 4\] in the receiver"):
        circuit({"local": 1}, high={"shape": [2, 4]})


def test_synapses_without_parameters_are_never_missing():
    fixed = {"mean": "0.5", "parameter": {}}
    tables = circuit().tables()
    tables["synapse"]["fixed"] = fixed
    tables["projection"]["up"] |= {"synapse": "fixed", "connect": {"random": 0.5}}
    with pytest.raises(DescriptionError, match="the synapse type 'fixed' has no parameter"):
        nm.Circuit.from_tables(tables)


@pytest.mark.parametrize("connect", ["all", "one-to-one", {"random": 0.3}, {"local": 1.5}, {"mask": np.eye(8)}])
def test_a_connection_is_saved_with_its_circuit(tmp_path, connect):
    described = circuit(again=connect)
    nm.save_circuit(described, tmp_path / "saved.toml")
    assert nm.load_circuit(tmp_path / "saved.toml") == described


def test_a_setting_takes_the_place_of_all():
    changed = nm.changed(circuit(), {"projection.up.connect.random": 0.5, "projection.again.connect": "one-to-one"})
    assert changed.projection["up"].connect.random == 0.5
    assert changed.shape("again") == (8, 1)


def _save_netcdf(path):
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("pre", 6)
        file.createDimension("post", 8)
        file.createVariable("mask", "i1", ("pre", "post"))[...] = MASK.T


WRITERS = {
    "mask.npy": lambda path: np.save(path, MASK),
    "columns.npy": lambda path: np.save(path, np.asfortranarray(MASK.astype(float))),
    "mask.npz": lambda path: np.savez_compressed(path, mask=MASK, other=np.zeros(3)),
    "mask.csv": lambda path: np.savetxt(path, MASK, fmt="%d", delimiter=","),
    "mask.nc": _save_netcdf,
}


def with_mask(name: str) -> str:
    """TOML of the circuit whose projection `up` takes its mask from a file."""
    table = "[projection.up]\n"
    text = circuit().to_toml()
    assert text.count(table) == 1
    return text.replace(table, f'{table}connect = {{mask = "{name}"}}\n')


@pytest.mark.parametrize("name", WRITERS)
def test_a_mask_is_read_from_the_folder_of_its_circuit(tmp_path, name):
    WRITERS[name](tmp_path / name)
    (tmp_path / "own.toml").write_text(with_mask(name))
    assert nm.load_circuit(tmp_path / "own.toml") == circuit(MASK)


class Harmful:
    def __reduce__(self):
        return pytest.fail, ("code of the file was executed",)


def test_nothing_in_the_file_of_a_mask_is_executed(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[Harmful()]], dtype=object), allow_pickle=True)
    (tmp_path / "pickled.npy").write_bytes(pickle.dumps(Harmful()))
    (tmp_path / "short.npy").write_bytes((tmp_path / "objects.npy").read_bytes()[:40])
    for name in ("objects", "pickled", "short"):
        with pytest.raises(DescriptionError, match=r"holds values of the type object|cannot be read"):
            circuit({"mask": str(tmp_path / f"{name}.npy")})


def test_a_file_that_promises_too_much_is_not_read(tmp_path):
    header = "{'descr': '|b1', 'fortran_order': False, 'shape': (100000, 100000), }".ljust(117) + "\n"
    (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + header.encode())
    with pytest.raises(DescriptionError, match="has 10,000,000,000 entries"):
        circuit({"mask": str(tmp_path / "huge.npy")})


def test_a_run_file_opens_no_file_of_a_mask():
    with pytest.raises(DescriptionError, match="names a file"):
        circuit_of_run(with_mask("/etc/passwd.npy"))


def test_a_labelled_mask_may_lie_either_way():
    labelled = xr.DataArray(MASK.T, dims=("pre", "post"))
    assert circuit(labelled) == circuit(MASK)


def test_neighbours_on_a_line_on_a_grid_and_between_grids():
    line = near((5,), (5,), 1)
    np.testing.assert_array_equal(line, np.abs(np.subtract.outer(range(5), range(5))) <= 1)
    assert near((3, 3), (3, 3), 1)[4].tolist() == [False, True, False, True, True, True, False, True, False]
    assert near((3, 3), (3, 3), 1.5)[4].all()
    np.testing.assert_array_equal(near((2,), (4,), 1), [[1, 1, 0, 0], [0, 0, 1, 1]])


def test_the_fan_in_is_the_mean_number_of_synapses():
    sized = circuit({"random": 0.5}, MASK[:, [0] * 8]).sized(3, 2)
    assert sized.fan_in("up") == 3
    assert sized.fan_in("again") == pytest.approx(max(1, MASK[:, 0].sum()))
    assert circuit(MASK).sized(3, 2).fan_in("up") == pytest.approx(MASK.sum() / 8)
    assert circuit({"random": 0.01}, "one-to-one").sized(3, 2).fan_in("up") == 1
    assert circuit(again="one-to-one").sized(3, 2).fan_in("again") == 1


def test_pairs_are_drawn_from_the_seed():
    sized = circuit({"random": 0.5}).sized(3, 2)
    masks = [mask_for(sized, "up", seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()
    with pytest.raises(DescriptionError, match="no pair of units of up is connected"):
        mask_for(circuit({"random": 1e-9}).sized(3, 2), "up", 0)


def test_initial_values_are_missing_where_there_is_no_synapse():
    protocol = nm.load_protocol("toy-language", {"learning.initial": {"again": {"m": "n_pre + identity()"}}})
    described = circuit(MASK, "one-to-one").sized(3, 2)
    parameters = initial.draw(described, protocol, 0)
    assert existing(parameters["up"]).tolist() == MASK.tolist()
    assert existing(parameters["in"]).all()
    np.testing.assert_array_equal(parameters["again"]["m"], np.full((8, 1), 9.0))
    whole = initial.draw(circuit(np.ones((8, 6)), "all").sized(3, 2), protocol, 0)
    dense = initial.draw(circuit().sized(3, 2), protocol, 0)
    np.testing.assert_array_equal(whole["up"]["m"], dense["up"]["m"])
    weights = draw_weights(described, parameters, 0, 0)["up"]
    assert (weights[MASK] != 0).any()
    assert not weights[~MASK].any()


def test_symbols_are_not_looked_up_one_by_one():
    described = circuit(low={"size": 3, "activation": "tanh(r)"}).tables()
    described["projection"]["in"]["connect"] = "one-to-one"
    sized, symbols = nm.Circuit.from_tables(described).sized(3, 2), SimpleNamespace(symbol_populations=("input",))
    with pytest.raises(DescriptionError, match="input is given numbers of symbols") as caught:
        checks._refuse_single_symbols(sized, symbols)
    assert caught.value.key == "projection.in.connect"
    checks._refuse_single_symbols(sized, SimpleNamespace(symbol_populations=()))


def test_the_circuit_of_a_run_file_has_of_a_mask_its_checksum():
    brief = without_masks(circuit(MASK).sized(3, 2))
    assert brief.projection["up"].connect.mask is None
    assert brief.fan_in("up") == circuit(MASK).sized(3, 2).fan_in("up")
    with pytest.raises(DescriptionError, match="the mask itself is not in this description"):
        mask_for(brief, "up", 0)
    assert fixed_mask(circuit(MASK).projection["up"].connect, (8,), (6,)).tolist() == MASK.tolist()


def test_a_mask_that_lies_in_another_file_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(48))
    with h5py.File(tmp_path / "mask.nc", "w") as file:
        file.create_dataset("mask", shape=(2, 3), dtype="f8", external=[(str(tmp_path / "secret"), 0, 48)])
    with pytest.raises(nm.DescriptionError, match="has its data in another file"):
        nm.Projection(source="a", target="b", synapse="point", connect={"mask": str(tmp_path / "mask.nc")})
