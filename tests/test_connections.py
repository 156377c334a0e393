"""Projections that connect some pairs of units only: what is refused, what is drawn, and what takes no part.

Gradients of such circuits are compared with the reference in test_rules.py and test_random_circuits.py.
"""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from in_process import InProcess

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.descriptions.connections import fixed_mask, near
from neuro_mpc.descriptions.protocol import ExperimentProtocol
from neuro_mpc.descriptions.recorded import circuit_of_run, without_masks
from neuro_mpc.errors import DescriptionError, RunFileError
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.rules.derivation import brian_name
from neuro_mpc.runs import preparation
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.connections import existing, mask_for
from neuro_mpc.simulation.running import RunningCircuit
from neuro_mpc.simulation.sampling import draw_weights

MASK = np.random.default_rng(4).random((8, 6)) < 0.4
MASK[5] = False  # a unit without any input


def circuit(up="all", again="all", synapse="spike-and-slab", **population) -> nm.Circuit:
    """Two populations of 6 and 8 units, the second recurrent."""
    arrows = {
        "in": ("input", "low", 0, "gaussian", "all"),
        "up": ("low", "high", 0, synapse, up),
        "again": ("high", "high", 1, "spike-and-slab", again),
        "out": ("high", "output", 0, "gaussian", "all"),
    }
    keys = ("from", "to", "delay", "synapse", "connect")
    return nm.Circuit(
        name="two",
        population={
            "input": {"role": "stimulus"},
            "low": {"size": 6, "activation": "tanh(r)"},
            "high": {"size": 8, "activation": "tanh(r)"},
            "output": {"role": "target"},
            **population,
        },
        projection={name: dict(zip(keys, arrow)) for name, arrow in arrows.items()},
    )


# --- descriptions ----------------------------------------------------------------------------------------------------


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


# --- drawing ---------------------------------------------------------------------------------------------------------


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


# --- networks --------------------------------------------------------------------------------------------------------


def plan(described: nm.Circuit, **options) -> Plan:
    chosen = {"scheme": "relaxation", "optimizer": "adam", "decay": 0.01, "clip": 0.02, "precision": "float64"}
    return Plan(described.sized(3, 2), 4, 3, **{**chosen, **options})


def learned(each: Plan, parameters: dict) -> RunningCircuit:
    """A circuit that has learned two random batches."""
    net, rng = InProcess(each), np.random.default_rng(0)
    running = RunningCircuit(net, each)
    net.set(noise_scale=1, drawing=1, iterations=3, inference_dt=0.1 * TAU_SECONDS, energy_limit=1e30, rate=0.1)
    running.load(parameters)
    for count in range(2):
        net.set(noise_counter=count, **each.update_rule.scalars(count))
        net.set_rows("input", "input_stimulus_x", rng.normal(size=(3, 4, 3)))
        net.set_rows("output", "output_error_target", np.eye(2)[rng.integers(0, 2, (3, 4))])
        net.step("predicting", "inferring", "learning")
    return running


def drawn(described: nm.Circuit) -> dict:
    return initial.draw(described.sized(3, 2), nm.load_protocol("toy-language"), 0)


def test_a_mask_of_ones_equals_all_to_the_last_bit():
    masked, dense = circuit({"mask": np.ones((8, 6))}, {"random": 1.0}), circuit()
    found, expected = (learned(plan(each), drawn(each)).state() for each in (masked, dense))
    ones = {name: found.pop(name) for name in ("up_synapses_connected", "again_synapses_connected")}
    assert all((values == 1).all() for values in ones.values())
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("norm", ["spectral", "frobenius"])
def test_one_to_one_equals_the_diagonal_of_a_matrix(norm):
    each, matrix = circuit(again="one-to-one"), circuit(again={"mask": np.eye(8)})
    parameters = drawn(each)
    diagonal = {
        name: np.where(np.eye(8), np.diag(values[:, 0]), np.nan) for name, values in parameters["again"].items()
    }
    plans = [plan(described, clip_norm=norm) for described in (each, matrix)]
    found, expected = learned(plans[0], parameters), learned(plans[1], {**parameters, "again": diagonal})
    sizes = [running.program.manifest.variables["again_synapses_m"][1] for running in (found, expected)]
    assert sizes == [8, 64]
    for projection, values in expected.parameters().items():
        for name, value in values.items():
            if projection == "again":
                assert np.isnan(value[~np.eye(8, dtype=bool)]).all()
                value = np.diag(value)[:, None]
            moved = value - (parameters if projection != "again" else {"again": parameters["again"]})[projection][name]
            assert np.abs(moved).max() > 0
            np.testing.assert_allclose(found.parameters()[projection][name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_absent_synapses_stay_and_do_not_count_for_clipping(optimizer):
    described = circuit(MASK, {"local": 1})
    before = drawn(described)
    running = learned(plan(described, optimizer=optimizer), before)
    state, mask = running.state(), MASK.ravel()
    for name in map(brian_name, ("m", "pi", "Xi")):
        values = state[f"up_synapses_{name}"]
        assert len(set(values[~mask])) == 1  # as they were set
    assert not state["up_synapses_mu"][~mask].any()
    assert not state["up_synapses_v"][~mask].any()
    assert not running.program.get("up_synapses_change_m")[0][~mask].any()
    found = running.parameters()
    assert (existing(found["up"]) == MASK).all()
    assert (found["up"]["m"] != before["up"]["m"])[MASK].all()
    again = RunningCircuit(InProcess(running.plan), running.plan)
    again.restore(state)
    np.testing.assert_array_equal(again.parameters()["up"]["m"], found["up"]["m"])


def test_programs_do_not_depend_on_which_pairs_are_connected():
    other = np.roll(MASK, 1, axis=1)
    assert plan(circuit(MASK)).to_json() == plan(circuit(other)).to_json()
    assert plan(circuit(MASK)).to_json() == plan(circuit({"random": float(MASK.mean())})).to_json()
    assert Plan.from_json(plan(circuit(MASK)).to_json()).circuit.fan_in("up") == circuit(MASK).sized(3, 2).fan_in("up")


# --- runs ------------------------------------------------------------------------------------------------------------

PROTOCOL = {
    "stimulus.load": 1,
    "learning.batch": 10,
    "learning.presentations": 2,
    "test.ensemble": 1,
    "recording.synapses_every": 1,
    "learning.rate": 0.02,
}
LESION = {
    "name": "lesion",
    "experiment": {"kind": "lesion", "of": "synapses", "where": ["up", "again"], "fractions": [0, 1], "trials": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The path of a run with a mask, random and one-to-one synapses."""
    path = tmp_path_factory.mktemp("run") / "run.nc"
    tables = circuit({"random": 0.4}, "one-to-one").tables()
    tables["projection"]["side"] = {"from": "low", "to": "high", "synapse": "gaussian", "connect": {"mask": MASK}}
    nm.simulate(nm.Circuit.from_tables(tables), nm.load_protocol("toy-language", PROTOCOL), backend="numpy", out=path)
    return path


def test_a_run_file_says_which_pairs_are_connected(run):
    with nm.open_run(run) as opened:
        random, side = (opened[f"synapses/{name}"] for name in ("up", "side"))
        np.testing.assert_array_equal(side["connected"], MASK)
        for node, names in ((random, ("m", "pi", "Xi")), (side, ("m", "Xi"))):
            there = node["connected"].values == 1
            assert node["connected"].dims == ("post", "pre")
            assert all((np.isnan(node[name].values) == ~there).all() for name in names)
            assert (node["m"][0].values != node["m"][-1].values)[there].all()
        assert opened["synapses/again"].sizes["pre"] == 1
        assert all("connected" not in opened[f"synapses/{name}"] for name in ("in", "again", "out"))
        assert "mask" not in opened.attrs["circuit"]
        assert "sha256" in opened.attrs["circuit"]


def test_a_run_starts_with_the_pairs_of_the_one_before(run):
    trained = nm.load_trained(run)
    with nm.open_run(run) as opened:
        first = {name: opened[f"synapses/{name}/connected"].values for name in ("up", "side")}
    assert trained.circuit.projection["side"].connect == circuit(MASK).projection["up"].connect
    protocol = nm.load_protocol("toy-language", {**PROTOCOL, "learning.presentations": 1, "test.ensemble": 0})
    again = nm.simulate(None, protocol, start=run, seed=5, backend="numpy")
    for name, mask in first.items():
        np.testing.assert_array_equal(again[f"synapses/{name}/connected"], mask)
    changed = trained.with_parameters({"up": {"m": 1.0}}, "means of one")
    assert (existing(changed.parameters["up"]) == (first["up"] == 1)).all()


@pytest.mark.parametrize("connect", ["all", {"random": 0.5}, {"mask": np.ones((8, 6))}])
def test_a_circuit_of_other_pairs_is_not_that_of_the_run(run, connect):
    trained = nm.load_trained(run)
    tables = trained.circuit.tables()
    tables["projection"]["side"]["connect"] = connect
    with pytest.raises(RunFileError, match="connects other pairs of units by the projection 'side'"):
        trained.parameters_for(nm.Circuit.from_tables(tables))


def test_measures_leave_out_what_is_not_there(run):
    opened = nm.open_run(run)
    there = opened["synapses/side/connected"].values == 1
    weights = analysis.weights(opened, "side")
    assert (np.isnan(weights["mean"].values) == ~there).all()
    np.testing.assert_array_equal(weights["mean"].values, opened["synapses/side/m"].values)
    drawn_at_random = analysis.weights(opened, "up")["mean"].values
    np.testing.assert_allclose(drawn_at_random, opened["synapses/up/m"].values / (0.4 * 6), rtol=1e-6)
    entropy = analysis.entropy(weights)["entropy"].values
    assert (np.isnan(entropy) == ~there).all()
    histogram = analysis.histogram(opened, "side", bins=5)
    np.testing.assert_allclose(histogram["fraction"].sum("bin"), 1)
    fractions = analysis.determinism(weights, width=np.inf)
    assert (fractions["narrow"] == 1).all()
    units = analysis.unit_variability(weights)
    assert np.isnan(units["incoming"].sel(post=5)).all()
    assert np.isfinite(units["incoming"].sel(post=[0, 1])).all()
    assert 5 not in analysis.most_variable_units(weights)["unit"]
    summary, compared = analysis.summary(opened), analysis.compare_projections(opened)
    variance = weights["variance"].values[-1][there]
    power = weights["mean"].values[-1][there] ** 2 + variance
    found = summary["variability"].sel(projection="side")[-1]
    assert float(found) == pytest.approx(variance.mean() / power.mean())
    assert int(compared["number"].sel(projection="side")) == there.any(axis=1).sum()
    opened.close()


def test_a_one_to_one_projection_is_a_diagonal_in_analysis(run):
    with nm.open_run(run) as opened:
        weights, stored = analysis.weights(opened, "again", snapshots=[-1]), opened["synapses/again/m"].values[-1, :, 0]
        matrix = weights["mean"].values[0]
        np.testing.assert_allclose(np.diag(matrix), stored)
        assert np.isnan(matrix[~np.eye(8, dtype=bool)]).all()
        assert np.isnan(analysis.asymmetry(analysis.pairs(weights["mean"]))).all()
        outgoing = analysis.unit_variability(weights)["outgoing"]
        np.testing.assert_allclose(outgoing, np.diag(weights["variability"].values[0])[None])


@pytest.mark.parametrize("figure", ["synapses", "asymmetry", "variability"])
def test_figures_leave_out_what_is_not_there(run, figure, tmp_path):
    with nm.open_run(run) as opened:
        assert all(path.is_file() for path in nm.plot_run(opened, figure, out=tmp_path / "figure.png"))


def test_a_mask_or_a_diagonal_that_cannot_be_is_told(run, monkeypatch):
    opened = nm.open_run(run).load()
    opened["synapses/side"] = opened["synapses/side"].to_dataset().assign(connected=("post", np.ones(8)))
    with pytest.raises(RunFileError, match="the mask of 'side' is not one of its synapses"):
        analysis.weights(opened, "side")
    monkeypatch.setattr("neuro_mpc.analysis.connections.LARGEST_DIAGONAL", 7)
    with pytest.raises(RunFileError, match="'again' connects 8 units one to one, whose matrix has 64 entries"):
        analysis.weights(opened, "again")


def test_lesions_silence_synapses_that_there_are(run):
    found = nm.simulate(None, ExperimentProtocol.from_tables(LESION), start=run, backend="numpy")["experiment"]
    with nm.open_run(run) as opened:
        number = 8 + int(opened["synapses/up/connected"].sum())
    assert found["silenced"].values.tolist() == [0, number]


def test_symbols_are_not_looked_up_one_by_one():
    described = circuit(low={"size": 3, "activation": "tanh(r)"}).tables()
    described["projection"]["in"]["connect"] = "one-to-one"
    sized, symbols = nm.Circuit.from_tables(described).sized(3, 2), SimpleNamespace(symbol_populations=("input",))
    with pytest.raises(DescriptionError, match="input is given numbers of symbols") as caught:
        preparation._refuse_single_symbols(sized, symbols)
    assert caught.value.key == "projection.in.connect"
    preparation._refuse_single_symbols(sized, SimpleNamespace(symbol_populations=()))


def test_the_estimate_counts_the_synapses_that_there_are(run):
    described = nm.load_trained(run).circuit
    protocol = nm.load_protocol("toy-language", PROTOCOL)
    found = nm.check(circuit({"random": 0.25}, "one-to-one"), protocol, backend="numpy")
    assert found.synapses == described.size_of("input") * 6 + 12 + 8 + 8 * described.size_of("output")


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
