"""Initial parameters: distributions, precedence of the descriptions, independent streams, refusals."""

from zlib import crc32

import numpy as np
import pytest

from neuro_mpc.descriptions.loading import load_circuit, load_protocol
from neuro_mpc.errors import DescriptionError
from neuro_mpc.randomness import generator
from neuro_mpc.simulation.connections import mask_for
from neuro_mpc.simulation.initial import draw, refuse_impossible


def drawn(seed=0, circuit="mpl", settings=None, **initial):
    """Parameters of a circuit with 26 inputs and outputs; `initial` goes into the protocol."""
    described = load_circuit(circuit, settings).sized(26, 26)
    return draw(described, load_protocol("toy-language", {"learning.initial": initial}), seed)


def test_every_parameter_of_every_projection_is_drawn():
    parameters = drawn()
    assert parameters.keys() == {"input", "recurrent", "output"}
    assert all(each.keys() == {"m", "pi", "Xi"} for each in parameters.values())
    assert parameters["input"]["m"].shape == (100, 26)
    assert parameters["output"]["Xi"].shape == (26, 100)
    assert parameters["recurrent"]["pi"].dtype == np.float64


def test_shipped_weights_are_well_scaled():
    parameters = drawn()
    for name, n in (("input", 26), ("output", 100)):
        weights = parameters[name]["m"] / n
        # 2,600 draws: the standard error of the standard deviation is 1.4 %.
        assert weights.std() == pytest.approx(1 / np.sqrt(n), rel=0.06)
        assert abs(weights.mean()) < 4 / np.sqrt(2600 * n)
    np.testing.assert_array_equal(parameters["recurrent"]["m"], 100 * np.eye(100))


@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [
        ("uniform(0, 0.1)", 0.05, 0.1 / np.sqrt(12)),
        ("normal(3, 2)", 3, 2),
        ("normal(n, 0)", 26, 0),
        ("n_post - n_pre", 74, 0),
        ("normal(0, 1) + normal(0, 1)", 0, np.sqrt(2)),
        ("normal(uniform(-1, 1), 0)", 0, 1 / np.sqrt(3)),
        ("0.25", 0.25, 0),
        ("uniform(0.25, 0.25)", 0.25, 0),
    ],
)
def test_distributions(text, mean, std):
    values = drawn(**{"input.m": text})["input"]["m"]
    assert values.mean() == pytest.approx(mean, abs=5 * std / np.sqrt(values.size) + 1e-12)
    assert values.std() == pytest.approx(std, rel=0.06, abs=1e-12)


def test_values_by_the_numbers_of_units():
    weights = drawn(**{"input.m": "j - 3*i", "recurrent.m": "exp(-abs(i - j)/5)"})
    receivers, senders = np.indices((100, 26))
    np.testing.assert_array_equal(weights["input"]["m"], receivers - 3 * senders)
    distance = abs(np.arange(100)[:, None] - np.arange(100))
    np.testing.assert_allclose(weights["recurrent"]["m"], np.exp(-distance / 5), rtol=1e-14)


def test_one_to_one_the_same_number_sends_and_receives():
    own = {"from": "hidden", "to": "hidden", "delay": 1, "connect": "one-to-one", "synapse": "point"}
    weights = drawn(settings={"projection.own": own}, **{"own.m": "i + 10*j"})
    np.testing.assert_array_equal(weights["own"]["m"], 11.0 * np.arange(100)[:, None])


def test_the_same_seed_gives_the_same_and_another_seed_another_draw():
    np.testing.assert_array_equal(drawn(3)["input"]["m"], drawn(3)["input"]["m"])
    assert not np.array_equal(drawn(3)["input"]["m"], drawn(4)["input"]["m"])


def test_streams_are_independent():
    before, after = drawn(), drawn(**{"output.m": 0, "recurrent.pi": "uniform(0, 0.5)", "input.Xi": 0})
    for name, parameter in (("input", "m"), ("input", "pi"), ("output", "pi"), ("recurrent", "Xi")):
        np.testing.assert_array_equal(before[name][parameter], after[name][parameter])
    assert abs(np.corrcoef(before["input"]["pi"].ravel(), before["output"]["pi"].T.ravel()[:2600])[0, 1]) < 0.1


def test_point_weights_start_where_the_means_of_distributions_do():
    mpl, pc = drawn(), drawn(circuit="pc")
    for name, parameters in pc.items():
        assert list(parameters) == ["m"]
        np.testing.assert_array_equal(parameters["m"], mpl[name]["m"])


def test_precedence_of_initial_values():
    own = {"projection.input.initial.pi": 0.2}
    assert drawn(settings=own)["input"]["pi"].max() == 0.2
    assert drawn(settings=own)["output"]["pi"].max() < 0.1
    assert drawn(settings=own, pi=0.3)["input"]["pi"].max() == 0.3
    nearest = drawn(settings=own, pi=0.3, **{"input.pi": 0.4})
    assert [nearest[name]["pi"].max() for name in ("input", "recurrent", "output")] == [0.4, 0.3, 0.3]


def test_parameters_of_other_shipped_types_are_passed_over():
    assert set(drawn(circuit="pc", pi=0.1, **{"input.Xi": 0})["input"]) == {"m"}


@pytest.mark.parametrize(
    ("initial", "key", "problem"),
    [
        ({"pi": "normal(0, 1)"}, "learning.initial.pi", "pi out of bounds"),
        ({"output": {"Xi": "-uniform(0, 1)"}}, "learning.initial.output.Xi", "Xi out of bounds"),
        ({"m": "1/(n - n_pre)"}, "learning.initial.m", "not finite"),
        ({"m": "sqrt(normal(0, 1))"}, "learning.initial.m", "not finite"),
        ({"m": "normal(0, -n)"}, "learning.initial.m", "std ≥ 0"),
        ({"m": "uniform(1, 0)"}, "learning.initial.m", "low ≤ high"),
        ({"input.m": "identity()"}, "learning.initial.input.m", "as many receivers as senders"),
        ({"p": 1}, "learning.initial.p", "unknown parameter"),
        ({"inptu": {"m": 1}}, "learning.initial.inptu", "unknown projection"),
        ({"input": {"mm": 1}}, "learning.initial.input.mm", "unknown parameter"),
        ({"input": 3}, "learning.initial.input", "unknown parameter"),
    ],
)
def test_impossible_values_are_refused_with_their_key(initial, key, problem):
    with pytest.raises(DescriptionError) as caught:
        drawn(**initial)
    assert (caught.value.source, caught.value.key) == ("toy-language", key)
    assert problem in caught.value.problem


def test_a_constant_outside_of_the_bounds_of_the_circuit_names_the_circuit():
    with pytest.raises(DescriptionError) as caught:
        drawn(settings={"projection.input.initial.pi": "uniform(0, 2)"})
    assert (caught.value.source, caught.value.key) == ("mpl", "projection.input.initial.pi")
    assert caught.value.expected == "between 0 and 0.99"


def test_a_negative_variance_is_refused():
    own = {"mean": "w", "variance": "w - 1", "parameter": {"w": {"initial": 0}}}
    settings = {"synapse.mine": own, "projection.input.synapse": "mine", "projection.input.initial": {}}
    with pytest.raises(DescriptionError, match=r"synapse.mine.variance: the parameters of input make"):
        drawn(settings=settings)


def test_the_corpus_form_may_start_at_zero_variance():
    settings = {f"projection.{name}.synapse": "spike-and-slab-corpus" for name in ("input", "recurrent", "output")}
    settings |= {f"projection.{name}.initial": {} for name in ("input", "recurrent", "output")}
    parameters = drawn(settings=settings)
    assert parameters["input"]["pi"].max() == parameters["input"]["Xi"].max() == 0
    assert np.abs(parameters["input"]["m"]).max() <= 1 / np.sqrt(26)


def stream(seed, *names):
    """The stream of a seed and names as it was in every version: another one would be another run."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def test_every_parameter_is_drawn_from_the_stream_of_its_name():
    assert generator(3, "a", "b").random() == stream(3, "a", "b").random()
    found = drawn(7, **{"input.m": "normal(1, 2) + uniform(0, n)", "recurrent.m": "normal(0, 1)*identity()"})
    rng = stream(7, "input", "m")
    expected = rng.normal(1, 2, (100, 26)) + rng.uniform(0, 26, (100, 26))
    np.testing.assert_array_equal(found["input"]["m"], expected)
    np.testing.assert_array_equal(
        found["recurrent"]["m"], np.diag(np.diag(stream(7, "recurrent", "m").normal(size=(100, 100))))
    )


def test_pairs_are_connected_by_the_stream_of_the_projection():
    described = load_circuit("mpl", {"projection.recurrent.connect": {"random": 0.25}}).sized(26, 26)
    mask = mask_for(described, "recurrent", 7)
    np.testing.assert_array_equal(mask, stream(7, "connect", "random", "recurrent").random((100, 100)) < 0.25)
    assert mask_for(described, "input", 7) is None


def test_rounding_may_leave_a_variance_a_little_below_zero_in_proportion_to_the_others():
    own = {"mean": "0*w", "variance": "w", "parameter": {"w": {"initial": 0}}}
    names = ("input", "recurrent", "output")
    settings = {"synapse.mine": own} | {f"projection.{name}.synapse": "mine" for name in names}
    settings |= {f"projection.{name}.initial": {} for name in names}
    described = load_circuit("mpl", settings).sized(26, 26)
    for largest, slack in ((0.5, 1e-12), (1.0, 1e-12), (100.0, 1e-10), (0.0, 1e-12)):
        for below, right in ((0.9, True), (1.1, False)):
            parameters = {name: {"w": np.full(described.shape(name), largest)} for name in names}
            parameters["recurrent"]["w"][3, 2] = -below * slack
            if right:
                refuse_impossible(described, parameters)
                continue
            with pytest.raises(DescriptionError, match="the parameters of recurrent make a variance that is negative"):
                refuse_impossible(described, parameters)


def test_synapses_that_are_not_there_have_no_value_and_break_no_bound():
    connect = {"projection.recurrent.connect": {"random": 0.5}}
    found = drawn(settings=connect, **{"recurrent.pi": "0.5"})["recurrent"]["pi"]
    assert 0.4 < np.isnan(found).mean() < 0.6
    assert set(found[~np.isnan(found)]) == {0.5}
    with pytest.raises(DescriptionError, match="pi out of bounds: 49|pi out of bounds: 5") as caught:
        drawn(settings=connect, **{"recurrent.pi": "1"})
    assert "of 10000 values, such as 1" in caught.value.problem


def test_what_was_meant_by_an_unknown_name_is_told():
    with pytest.raises(DescriptionError) as caught:
        drawn(inptu={"m": 1})
    assert (caught.value.hint, caught.value.expected) == ("did you mean 'input'?", "input, output, recurrent")


def test_bounds_may_be_reached():
    for value in (0, 0.99):
        assert (drawn(pi=value)["input"]["pi"] == value).all()
    for value, told in ((-0.01, "such as -0.01"), (0.991, "such as 0.991")):
        with pytest.raises(DescriptionError, match=f"pi out of bounds: 2600 of 2600 values, {told}"):
            drawn(**{"input.pi": value})


def test_a_factor_of_the_rate_is_that_of_a_parameter_of_this_or_a_shipped_type():
    described, protocol = load_circuit("pc").sized(26, 26), {"learning.rate_factor": {"Xi": 0.5, "m": 2.0}}
    assert draw(described, load_protocol("toy-language", protocol), 0).keys() == {"input", "recurrent", "output"}
    with pytest.raises(DescriptionError, match="unknown parameter") as caught:
        draw(described, load_protocol("toy-language", {"learning.rate_factor": {"Xi": 0.5, "mm": 2.0}}), 0)
    assert caught.value.key == "learning.rate_factor.mm"
