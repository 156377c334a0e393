"""Learning a text: perplexity, what tests decide, and streams that were interrupted."""

from types import SimpleNamespace

import numpy as np
import pytest
from small_language import STEPS, TEXT, language, learn, protocol
from tasks import task_of

import neuro_mpc as nm
from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.simulation import initial, measures
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.selection import Selection
from neuro_mpc.stimuli import Stimuli

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("text")
    (path / "text.txt").write_text("\n".join(TEXT))
    return path


@pytest.fixture(scope="module")
def learned(folder):
    """A run of the small text."""
    return learn(folder)


def test_networks_that_are_surprised_have_a_perplexity_together():
    """Of a target that all of them find too improbable for single precision: ln of their mean probability."""

    class Two(Stimuli):
        width, classes, steps, symbols = 1, 2, 1, ()

        def size(self, split):
            return 2

        def __init__(self):
            pass

        def stimulus(self, split, trials):
            return np.zeros((1, len(trials), 1), np.float32)

        def labels(self, split, trials):
            return np.array([[0, -1]])[:, trials]

    data, test = task_of(Two()), Test(measure="perplexity")
    votes = measures.no_votes(data, test, "test")
    for surprise in (200.0, 203.0):
        network = SimpleNamespace(
            plan=SimpleNamespace(trials=2),
            predictions_ahead=lambda logarithms: 1,
            together=1,
            begin_predicting=lambda *_, surprise=surprise: (
                lambda: np.zeros(2),
                SimpleNamespace(
                    output=lambda target: np.array([[[0.0, 1.0]] * 2]),
                    log_output=lambda target: np.array([[[-surprise, 0.0]] * 2]),
                ),
            ),
        )
        measures.read_out(network, data, test, "test", 0, votes)
    found = np.log(measures.of_votes(data, test, "test", votes, 2)["perplexity"])
    assert found == pytest.approx(200 - np.log((1 + np.exp(-3)) / 2), rel=1e-12)


def test_perplexity_counts_every_token_once(folder):
    """A circuit whose weights are zero knows nothing: its perplexity is the size of the vocabulary."""
    settings = {"learning__epochs": 0, "recording__samples": [], "learning__initial": {"m": 0, "pi": 0, "Xi": 0}}
    with nm.simulate(language(), protocol(folder, **settings), backend="numpy") as run:
        words = len({word for line in TEXT for word in line.split()}) + 2
        assert run["learning"].perplexity.values == pytest.approx([words])
        assert run["evaluation"].perplexity_mean_weights == pytest.approx(words)


@pytest.fixture(scope="module")
def padded(tmp_path_factory):
    """measure → the evaluation of point weights on a test text that fills one presentation in part."""
    path = tmp_path_factory.mktemp("padded")
    (path / "text.txt").write_text("\n".join(["a b c d"] * 60))
    (path / "test.txt").write_text("a b c d\na b")
    settings = {"stimulus.test": "test.txt", "learning.rate": 0.5, "test.ensemble": 2, "recording.samples": []}
    settings |= {"learning.schedule": {}, "test.keep": "last"}  # the same learning, whatever is measured
    circuit = language("pc-language-small")
    return {
        measure: nm.simulate(circuit, protocol(path, **settings, test__measure=measure), backend="numpy")["evaluation"]
        for measure in ("accuracy", "perplexity")
    }


def test_what_a_text_is_filled_up_with_is_no_error_of_an_ensemble(padded):
    found = padded["accuracy"]
    assert float(found["accuracy_ensemble"]) == float(found["accuracy_network"][0]) == float(found["accuracy"])
    # of eight tokens
    assert float(found["accuracy"]) * 8 == pytest.approx(round(float(found["accuracy"]) * 8))
    assert float(found["accuracy"]) >= 0.5


@pytest.mark.parametrize("measure", ["accuracy", "perplexity"])
def test_what_a_text_is_filled_up_with_makes_no_loss_smaller(padded, measure):
    perplexity, loss = float(padded["perplexity"]["perplexity"]), float(padded[measure]["test_loss"])
    assert loss == pytest.approx(STEPS * np.log(perplexity), rel=1e-6)


def test_the_evaluation_is_that_of_the_best_test(learned, folder):
    with nm.open_run(learned) as run:
        tested, evaluated = run["learning"], run["evaluation"]
        best = int(tested.test_presentation[int(tested.perplexity.argmin("test"))])
        kept = run["synapses/output"].presentation.values[-1]
        assert kept == best
        networks = evaluated.perplexity_network.values
        assert networks.shape == (2,)
        assert evaluated.perplexity_ensemble < networks.mean()
        assert run["learning"].perplexity[-1] < run["learning"].perplexity[0]


def test_a_plateau_lowers_the_rate(folder):
    selection = Selection(protocol(folder))
    for presentation, value in enumerate([9, 8, 8.5, 8, 7, 7.5]):
        selection.observe(presentation, {"perplexity": value}, dict)
    assert (selection.factor, selection.best, selection.presentation) == (0.125, 7, 4)


def test_accuracy_is_better_when_it_is_larger():
    selection = Selection(nm.load_protocol("toy-language", {"test.measure": "accuracy", "test.keep": "best"}))
    for presentation, value in enumerate([0.5, 0.6, 0.4]):
        selection.observe(presentation, {"accuracy": value}, lambda value=value: {"output": {"m": np.array([value])}})
    assert selection.presentation == 1
    assert selection.parameters == {"output": {"m": np.array([0.6])}}


def test_a_stream_that_was_interrupted_goes_on_as_if_it_had_not_been(folder, tmp_path, monkeypatch):
    settings = {"learning__schedule": {"kind": "plateau"}, "test__every": 1}
    whole, resumed = tmp_path / "whole.nc", tmp_path / "resumed.nc"
    nm.simulate(language(), protocol(folder, **settings), backend="numpy", out=whole).close()
    learn, calls = Presenter.begin_learning, []

    def interrupted(self, *args):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(args)
        return learn(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Presenter, "begin_learning", interrupted)
        with pytest.raises(KeyboardInterrupt):
            nm.simulate(language(), protocol(folder, **settings), backend="numpy", out=resumed, checkpoint_every=0)
    nm.simulate(language(), protocol(folder, **settings), backend="numpy", out=resumed, resume=True).close()
    with nm.open_run(whole) as first, nm.open_run(resumed) as second:
        for group in ("learning", "synapses/recurrent", "synapses/embedding", "evaluation"):
            assert first[group].to_dataset().identical(second[group].to_dataset()), group


def test_a_factor_of_the_rate_is_that_of_a_parameter_there_is():
    described = protocol(learning__rate_factor={"Xl": 0.1})
    with pytest.raises(nm.DescriptionError, match=r"learning.rate_factor.Xl(.|\n)*Xi"):
        initial.draw(language().sized(5, 5), described, 0)


def test_perplexity_is_of_every_symbol():
    with pytest.raises(nm.DescriptionError, match="perplexity"):
        protocol(target__read="last")


def test_tests_that_decide_cannot_be_gone_back_past():
    with pytest.raises(nm.DescriptionError, match="backoff"):
        protocol(learning__backoff=10)
