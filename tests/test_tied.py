"""Tied projections: one set of synapses, read both ways, learned from both."""

import numpy as np
import pytest
from in_process import InProcess
from matplotlib.figure import Figure
from presented import EXACT, RATE, Presentation, assert_close

import neuro_mpc as nm
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks.plan import Plan
from neuro_mpc.plots.variability import plot_variability
from neuro_mpc.reports.described import circuit_tables
from neuro_mpc.rules.show import as_latex, as_text
from neuro_mpc.runfile import access

pytestmark = pytest.mark.usefixtures("in_this_process")

SIZES = {"token": 5, "next": 5}
SCHEMES = ["relaxation", "momentum", "fixed-prediction", "sweeps"]


def tables(**tied):
    """Tokens, an embedding, a recurrent population, and a read-out that reads with the embedding's transpose."""
    synapse = "spike-and-slab-corpus"
    return {
        "name": "tied",
        "population": {
            "token": {"role": "stimulus"},
            "embedding": {"size": 4},
            "hidden": {"size": 4, "activation": "tanh(r)"},
            "next": {"role": "target"},
        },
        "projection": {
            "embedding": {"from": "token", "to": "embedding", "synapse": synapse},
            "input": {"from": "embedding", "to": "hidden", "synapse": "point-corpus"},
            "recurrent": {"from": "hidden", "to": "hidden", "delay": 1, "synapse": synapse},
            "output": {"from": "hidden", "to": "next", "synapse": synapse, "tied": "embedding", **tied},
        },
    }


def circuit(**tied):
    return nm.Circuit.from_tables(tables(**tied)).with_sizes(SIZES)


def shown(described, scheme, **options):
    plan = Plan(described, 3, 4, scheme=scheme, optimizer="sgd", precision="float64", threads=2, **options)
    return Presentation(InProcess(plan), 2, RATE)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_learning_descends_the_gradient_of_both_uses(scheme):
    presented = shown(circuit(), scheme)
    presented.infer()
    fixed = scheme == "fixed-prediction"
    expected = presented.loss_gradients() if fixed else presented.energy_gradients()
    changes = presented.learn()
    assert set(changes) == {"embedding", "input", "recurrent"}
    for projection, gradients in expected.items():
        for name, gradient in gradients.items():
            assert_close(changes[projection][name], -RATE / 3 * gradient, EXACT)


def test_a_use_that_comes_too_late_for_the_sequence_adds_to_no_old_sum():
    """The sums of each presentation begin at zero, also where their own projection has nothing to add."""
    described = tables()
    described["projection"]["embedding"]["delay"] = 9
    described["projection"]["direct"] = {"from": "token", "to": "hidden", "synapse": "point-corpus"}
    presented = shown(nm.Circuit.from_tables(described).with_sizes(SIZES), "fixed-prediction")
    presented.net.set(rate=0)
    found = []
    for _ in range(2):
        presented.infer()
        presented.learn()
        found.append(presented.net.get("embedding_synapses_H1")[0].copy())
    assert np.abs(found[0]).max() > 0
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(("tied", "own"), [("output", "embedding"), ("embedding", "output")])
def test_symbols_are_read_by_either_side(tied, own):
    """A circuit that is given numbers of symbols predicts and learns what one does that is given vectors."""
    described = tables(tied=None)
    described["projection"][tied]["tied"] = own
    by_symbols, by_vectors = (
        shown(nm.Circuit.from_tables(described).with_sizes(SIZES), "fixed-prediction", symbolic=symbolic)
        for symbolic in (("token", "next"), ())
    )
    symbols = np.random.default_rng(0).integers(0, 5, (4, 3))
    targets = np.roll(symbols, -1, axis=0)
    changes = []
    for presented in (by_symbols, by_vectors):
        presented.load(by_vectors.parameters)
        seen = symbols[..., None] if presented.plan.looked_up("token") else np.eye(5)[symbols]
        presented.net.set_rows("token", presented.plan.rate_name("token"), seen)
        if presented.plan.labelled:
            label = presented.plan.label("next")
            presented.net.set_rows(label, "next_label_symbol", targets[..., None])
        else:
            presented.net.set_rows("next", "next_error_target", np.eye(5)[targets])
        presented.infer()
        changes.append(presented.learn()[own])
    for name in ("m", "pi", "Xi"):
        np.testing.assert_allclose(changes[0][name], changes[1][name], rtol=1e-9, atol=1e-15)
        assert np.abs(changes[1][name]).max() > 0


def test_a_run_holds_one_set_of_synapses_and_continues(tmp_path):
    overrides = {"learning.epochs": 2, "learning.batch": 50, "learning.rate": 0.01, "stimulus.load": 1.0}
    protocol = nm.load_protocol("toy-language", {**overrides, "stimulus.length": 4, "recording.samples": [0]})
    described = nm.Circuit.from_tables(tables())
    run = nm.simulate(described, protocol, backend="numpy", out=tmp_path / "run.nc")
    assert list(run["synapses"].children) == ["embedding", "input", "recurrent"]
    told = {
        row[0]: row[4]
        for _, head, rows in circuit_tables(access.describe(run, "circuit"))
        if "synapses" in head
        for row in rows
    }
    assert (told["embedding"], told["output"]) == ("104", "those of embedding")
    plotted = plot_variability(run)[0].axes[4]  # the synapses that lead to the target minus the others
    assert [label.get_text() for label in plotted.get_yticklabels()] == ["recurrent"]  # input has point weights
    with pytest.raises(nm.RunFileError, match="'output' has no synapses of its own: it is tied to 'embedding'"):
        nm.analysis.weights(run, "output")
    trained = nm.load_trained(tmp_path / "run.nc")
    assert trained.circuit.projection["output"].tied == "embedding"
    assert set(trained.parameters) == {"embedding", "input", "recurrent"}
    strongest = {"experiment.of": "units", "experiment.fractions": [0, 1], "experiment.orders": ["strongest"]}
    lesion = nm.load_protocol("lesion", {**strongest, "experiment.trials": 4})
    damaged = nm.simulate(None, lesion, start=tmp_path / "run.nc", backend="numpy")
    assert int(damaged["experiment"].dataset["silenced"][-1]) == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"output": {"tied": "embeding"}}, r"output\.tied: unknown projection"),
        ({"output": {"tied": "output"}}, r"output\.tied: is this projection itself"),
        ({"input": {"tied": "output"}}, r"input\.tied: is tied itself"),
        ({"output": {"synapse": "point"}}, r"output\.synapse: the synapses are those of embedding"),
        ({"output": {"initial": {"m": 0}}}, r"output\.initial: the synapses are those of embedding"),
        ({"embedding": {"connect": {"random": 0.5}}}, r"embedding\.connect: tied projections connect all pairs"),
        ({"output": {"tied": "input", "synapse": "point-corpus"}}, "next has 5 units, embedding 4"),
    ],
)
def test_what_cannot_be_tied_is_refused_by_name(change, said):
    described = tables()
    for name, keys in change.items():
        described["projection"][name] |= keys
    with pytest.raises(DescriptionError, match=said):
        nm.Circuit.from_tables(described).with_sizes(SIZES)


def test_influences_of_shared_synapses_are_refused():
    causal = {"learning.credit": "influence", "inference.window": 0, "inference.scheme": "fixed-prediction"}
    protocol = nm.load_protocol("toy-language", causal)
    with pytest.raises(DescriptionError, match="no influence of synapses that two projections share"):
        nm.simulate(nm.Circuit.from_tables(tables()), protocol, backend="numpy")


def test_equations_and_drawings_name_the_synapses_that_are_read():
    described = circuit()
    shown_text = as_text(described)
    assert "spike-and-slab-corpus, those of embedding the other way round" in shown_text
    assert "μ[embedding]ᵀ f(r_t[hidden])" in shown_text
    assert "H₁[embedding] = Σ_t e_t[embedding] x_tᵀ + Σ_t f(r_t[hidden]) e_t[next]ᵀ" in shown_text
    assert "output]" not in shown_text
    assert r"embedding}\,\top}" in as_latex(described)
    drawn = described.draw(Figure(figsize=(4, 4)).add_subplot())
    assert "tied to embedding" in [text.get_text() for text in drawn.texts]


def test_the_shipped_circuit_reads_out_with_its_embedding_and_drops_units_of_mean_one():
    shipped = nm.load_circuit("mpl-lstm-tied").with_sizes({"token": 9, "next": 9})
    assert shipped.tied_to("embedding") == ("output",)
    for name in ("heard", "sent"):
        assert shipped.shape(name)[1] == 1
        start = shipped.projection[name].initial
        assert start["m"] * (1 - start["pi"]) == pytest.approx(1, abs=0.01)
