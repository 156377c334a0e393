"""Circuits that read symbols: the same as one-hot units, streams that go on, perplexity, what tests decide."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from drawn import texts
from interrupted import Here
from tasks import task_of

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.experiments import responses
from neuro_mpc.networks import launch
from neuro_mpc.networks.plan import Plan
from neuro_mpc.simulation import initial, measures
from neuro_mpc.simulation.generation import Reader
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.selection import Selection
from neuro_mpc.stimuli import Stimuli, one_hot

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]

RECIPES = Path(__file__).parents[1] / "analysis"
SYMBOLS, STEPS, TRIALS = 7, 6, 4
SMALL = {"population.hidden.size": 5, "population.embedding.size": 3}
TEXT = ["the dog runs", "the cat sleeps", "the bird sings well", "a dog sings"] * 10


def language(name="mpl-language-small", **changes):
    return nm.load_circuit(name, {**SMALL, **changes})


def protocol(folder=None, **settings):
    chosen = {
        "stimulus.checksums": {},
        "stimulus.lines": 0,
        "stimulus.steps": STEPS,
        "stimulus.train": "text.txt",
        "stimulus.validation": "",
        "stimulus.test": "",
        "learning.batch": TRIALS,
        "learning.epochs": 2,
        "test.every": 3,
        "test.every_epochs": 0,
        "precision": "float64",
        "recording.samples": [0],
        **{name.replace("__", "."): each for name, each in settings.items()},
    }
    return nm.load_protocol("ptb-small", chosen | ({"data_dir": str(folder)} if folder else {}))


@pytest.fixture(scope="module", autouse=True)
def in_this_process():
    """A program of its own for each run would take a second to start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(launch, "start", lambda plan, *_: Here(plan))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("text")
    (path / "text.txt").write_text("\n".join(TEXT))
    return path


@pytest.fixture(scope="module")
def learned(folder):
    """A run of the small text."""
    path = folder / "run.nc"
    nm.simulate(language(), protocol(folder, test__ensemble=2), backend="numpy", out=path).close()
    return path


# --- symbols ----------------------------------------------------------------------------------------------------------


def presenter(symbolic, steps=STEPS, carries=False, precision="float64", **changes):
    circuit = language(**changes).sized(SYMBOLS, SYMBOLS)
    described = protocol()
    plan = Plan(
        circuit,
        TRIALS,
        steps,
        optimizer="sgd",
        precision=precision,
        symbolic=(circuit.stimulus, circuit.target) if symbolic else (),
    )
    shown = Presenter(Here(plan), plan, described, 3, carries=carries)
    shown.load(initial.draw(circuit, described, 1))
    return shown


def batch(steps=STEPS):
    rng = np.random.default_rng(0)
    symbols, targets = rng.integers(0, SYMBOLS, (2, steps, TRIALS))
    symbols[1, 0] = targets[2, 1] = -1
    return symbols, targets


# The token projection as it comes, with a variance of its own, and one step late.
CHANGES = [
    {},
    {"projection.embedding.synapse": "spike-and-slab-corpus"},
    {"projection.embedding.delay": 1},
    {"projection.input.from": "token", "projection.input.delay": 1, "projection.recurrent.delay": 2},
]


@pytest.mark.parametrize("changes", CHANGES[:3])
def test_symbols_are_one_hot_units(changes):
    symbols, targets = batch()
    numbers, units = presenter(True, **changes), presenter(False, **changes)
    for presentation in range(2):
        found = numbers.learn(presentation, symbols, targets, 0.1)
        expected = units.learn(presentation, one_hot(symbols, SYMBOLS), one_hot(targets, SYMBOLS), 0.1)
        # At a step without a target the units are corrected towards nothing; symbols have no other way to say so.
        assert found == expected
    for projection, values in units.parameters().items():
        for name, value in values.items():
            np.testing.assert_allclose(numbers.parameters()[projection][name], value, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("changes", CHANGES[:3])
def test_two_presentations_of_a_stream_are_one_of_twice_the_steps(changes):
    symbols, targets = batch(2 * STEPS)
    whole, halves = presenter(True, 2 * STEPS, **changes), presenter(True, carries=True, **changes)
    with whole.noiseless(), halves.noiseless():
        expected = whole.predict(symbols, targets, "", 0)[0]
        first = halves.predict(symbols[:STEPS], targets[:STEPS], "", 0)[0]
        with halves.aside():
            halves.predict(symbols[::-1][:STEPS], targets[:STEPS], "another", 0)
        second = halves.predict(symbols[STEPS:], targets[STEPS:], "", 1, carrying=True)[0]
    np.testing.assert_allclose(np.concatenate([first, second]), expected, rtol=1e-12)


# Longer than a presentation: of the stimulus, of a population to itself, of both.
LATE = [
    {"projection.embedding.delay": 3},
    {"projection.recurrent.delay": 5},
    {"projection.embedding.delay": 5, "projection.recurrent.delay": 3},
]


@pytest.mark.parametrize("symbolic", [True, False])
@pytest.mark.parametrize("changes", LATE)
def test_what_is_delayed_by_more_than_a_presentation_arrives(changes, symbolic):
    """Three presentations of two steps are one of six, and what is learned of the last one is the same after a
    checkpoint."""
    symbols, targets = (each if symbolic else one_hot(each, SYMBOLS) for each in batch(6))
    whole, parts, resumed = (presenter(symbolic, n, carries=True, **changes) for n in (6, 2, 2))
    found = []
    with whole.noiseless(), parts.noiseless():
        expected = whole.predict(symbols, targets, "", 0)[0]
        for start in (0, 2, 4):
            if start == 4:
                with parts.aside():
                    parts.predict(symbols[::-1][:2], targets[:2], "another", 0)
                resumed.restore(parts.state())
            now = slice(start, start + 2)
            found.append(parts.predict(symbols[now], targets[now], "", start, carrying=start > 0)[0])
        with resumed.noiseless():
            after = resumed.predict(symbols[4:], targets[4:], "", 4, carrying=True)[0]
    assert np.ptp(expected[4:]) > 1e-3
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-12)
    np.testing.assert_array_equal(after, found[-1])


@pytest.mark.parametrize(("steps", "changes"), [(STEPS, {}), (2, {}), (2, LATE[0]), (2, LATE[2])])
def test_generated_symbols_are_the_most_probable_ones(steps, changes):
    shown, whole = presenter(True, steps, **changes), presenter(True, **changes)
    with shown.noiseless(), whole.noiseless():
        sequences = shown.generate(np.arange(TRIALS), STEPS, "")
        output = whole.predict(sequences[:, :-1].T, sequences[:, 1:].T, "", 0)[0]
    np.testing.assert_array_equal(output.argmax(axis=2), sequences[:, 1:].T)


# --- surprise ---------------------------------------------------------------------------------------------------------


def test_surprise_does_not_end_where_single_precision_does():
    """The output is zero by rounding for what is less probable than exp(−103)."""
    shown, (symbols, targets) = presenter(True, precision="float32"), batch()
    parameters = shown.parameters()
    for name in shown.plan.circuit.incoming(shown.plan.circuit.target):
        parameters[name] = {each: 300 * value if each == "m" else value for each, value in parameters[name].items()}
    shown.load(parameters)
    with shown.noiseless():
        expected, log_expected, traces = shown.respond(symbols, targets, "", 0)
    prediction = traces[shown.plan.circuit.target]["prediction"].astype(float)
    assert (expected == 0).any()
    assert log_expected.min() < -150
    np.testing.assert_allclose(np.exp(log_expected), expected, rtol=1e-4, atol=1e-37)
    given = one_hot(targets, SYMBOLS).astype(float)
    surprise = responses._judged(expected, log_expected, given)[0]
    odds = np.exp(prediction[..., None, :] - prediction[..., None]).sum(-1)  # 1 / probability of each symbol
    np.testing.assert_allclose(surprise, np.where(targets < 0, np.nan, (given * np.log(odds)).sum(-1)), rtol=1e-6)
    assert np.nanmax(surprise) > 150


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
            predict=lambda *_, **__: (None, np.zeros(2)),
            neural_state=SimpleNamespace(
                output=lambda target: np.array([[[0.0, 1.0]] * 2]),
                log_output=lambda target, surprise=surprise: np.array([[[-surprise, 0.0]] * 2]),
            ),
        )
        measures.read_out(network, data, test, "test", 0, votes)
    found = np.log(measures.of_votes(data, test, "test", votes, 2)["perplexity"])
    assert found == pytest.approx(200 - np.log((1 + np.exp(-3)) / 2), rel=1e-12)


# --- perplexity -------------------------------------------------------------------------------------------------------


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
    learn, calls = Presenter.learn, []

    def interrupted(self, *args):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(args)
        return learn(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Presenter, "learn", interrupted)
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


# --- going on with a text ---------------------------------------------------------------------------------------------


def test_the_run_file_has_the_vocabulary(learned, folder):
    data = stimuli.load(protocol(folder), language(), 0)
    with Reader(learned) as reader:
        assert reader.symbols == data.symbols


def test_reading_is_what_the_circuit_does_step_by_step(learned, folder):
    data = stimuli.load(protocol(folder), language(), 0)
    with Reader(learned, mean_weights=True) as reader:
        trained, read = reader.trained, [data.vocabulary["<eos>"], *reader.numbers("the dog")]
        found = [reader.read(np.array([symbol]))[0] for symbol in read]
    plan = Plan(
        trained.circuit, 1, len(read), precision="float64", symbolic=(trained.circuit.stimulus, trained.circuit.target)
    )
    shown = Presenter(Here(plan), plan, trained.protocol, 0)
    shown.load(trained.parameters)
    with shown.noiseless():
        expected = shown.predict(np.array(read)[:, None], np.full((len(read), 1), -1), "", 0)[0][:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_texts_are_those_of_the_seed(learned):
    said = nm.generate(learned, "the dog", length=5, number=3, seed=1)
    assert said == nm.generate(learned, "the dog", length=5, number=3, seed=1)
    assert all(text.startswith("the dog") for text in said)


def test_no_temperature_takes_the_most_probable_word(learned):
    most_probable = nm.next_symbols(learned, "the dog", mean_weights=True)[-1].idxmax("symbol").item()
    (text,) = nm.generate(learned, "the dog", length=1, temperature=0, mean_weights=True)
    assert text == f"the dog {most_probable}".replace(" <eos>", "")


def test_networks_without_variance_are_the_circuit(folder, tmp_path):
    path = tmp_path / "point.nc"
    nm.simulate(language("pc-language-small"), protocol(folder), backend="numpy", out=path).close()
    np.testing.assert_allclose(
        nm.next_symbols(path, "the dog", networks=3), nm.next_symbols(path, "the dog"), rtol=1e-12
    )


def test_probabilities_are_labelled(learned):
    found = nm.next_symbols(learned, "the dog", presentation=0)
    assert found.dims == ("position", "symbol")
    assert list(found.text.values) == ["the", "dog", "<eos>"]
    np.testing.assert_allclose(found.sum("symbol"), 1)
    assert found.attrs["presentation"] == 0


def test_words_that_are_not_known_are_told(learned):
    with pytest.warns(UserWarning, match="read as <unk>: frog"):
        nm.generate(learned, "the frog", length=1)


def test_letters_of_a_toy_language(tmp_path):
    settings = {"stimulus.load": 1, "learning.presentations": 2, "test.generate": 3, "test.every": 0, "recording": {}}
    path = tmp_path / "toy.nc"
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 10})
    chosen = {**settings, "learning.schedule": {}, "learning.batch": 5}
    nm.simulate(circuit, nm.load_protocol("toy-language", chosen), backend="numpy", out=path).close()
    (text,) = nm.generate(path, "ac", length=4)
    assert len(text) == 6
    assert text.startswith("ac")
    with pytest.raises(RunError, match="knows no É"):
        nm.generate(path, "É")


def test_a_run_without_symbols_is_refused(tmp_path):
    circuit = nm.load_circuit("pc", {"population.hidden.size": 4})
    digits = nm.load_protocol("digits-rows")
    tables = digits.tables()
    tables["learning"] = {"rate": 0.1, "batch": 50, "presentations": 0}
    nm.simulate(
        circuit,
        nm.Protocol.from_tables(tables | {"recording": {}}, "digits"),
        backend="numpy",
        out=tmp_path / "digits.nc",
    ).close()
    with pytest.raises(RunFileError, match="holds no names of symbols"):
        nm.generate(tmp_path / "digits.nc", "a")


@pytest.mark.parametrize("wrong", [{"length": 0}, {"temperature": -1}, {"number": 0}, {"networks": -1}])
def test_what_cannot_be_generated(learned, wrong):
    with pytest.raises(RunError):
        nm.generate(learned, "the", **wrong)


def test_the_recipe_of_next_words(learned, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(RECIPES)
    monkeypatch.setattr(sys, "argv", ["next_word", str(learned), "the dog runs", "--out", str(tmp_path / "words.svg")])
    runpy.run_path(str(RECIPES / "next_word.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "before training, 0 presentations"
    assert sum("dog" in line.split()[:1] for line in lines) == 3
    assert {"the", "dog", "runs", "training, presentations"} <= texts(tmp_path / "words.svg")
