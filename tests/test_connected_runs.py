"""Runs of circuits in which only some pairs of units are connected, their measures and figures."""

from __future__ import annotations

import numpy as np
import pytest
from connected import MASK, circuit

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.descriptions.protocol import ExperimentProtocol
from neuro_mpc.errors import RunFileError
from neuro_mpc.simulation.connections import existing

pytestmark = pytest.mark.usefixtures("in_this_process")
PROTOCOL = {
    "stimulus.length": 4,
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


def test_the_estimate_counts_the_synapses_that_there_are(run):
    described = nm.load_trained(run).circuit
    protocol = nm.load_protocol("toy-language", PROTOCOL)
    found = nm.check(circuit({"random": 0.25}, "one-to-one"), protocol, backend="numpy")
    assert found.synapses == described.size_of("input") * 6 + 12 + 8 + 8 * described.size_of("output")
