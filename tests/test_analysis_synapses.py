"""Measures of synapses against distributions and matrices whose answer is known in closed form."""

import numpy as np
import pytest
import xarray as xr
from analysed import CORPUS, SEQUENCE, synapses_run

from neuro_mpc import analysis
from neuro_mpc.errors import RunFileError

SHAPE = (1, 3, 4)
M, PI, XI = 6.0, 0.3, 0.5
UNRELIABLE = {
    "mean": "p*a/n",
    "variance": "p*(1 - p)*a**2/n**2",
    "spike": "1 - p",
    "parameter": {"a": {"initial": 1.0}, "p": {"initial": 0.5}},
}


def weights(synapse=SEQUENCE, own=None, shape=SHAPE, **values):
    parameters = {name: np.broadcast_to(value, shape) for name, value in values.items()}
    run = synapses_run({"recurrent": parameters}, synapse, **({synapse: own} if own else {}))
    return analysis.weights(run, "recurrent")


def value(found):
    """The one value that all the synapses share."""
    (one,) = np.unique(found.values)
    return float(one)


def drawn(found, rng, size=400_000):
    """Weights drawn from the spike and the slab of the first synapse."""
    spike, mean, variance = (float(found[name].values.flat[0]) for name in ("spike", "slab_mean", "slab_variance"))
    return np.where(rng.random(size) < spike, 0.0, rng.normal(mean, np.sqrt(variance), size))


@pytest.mark.parametrize(
    ("synapse", "moments", "slab"),
    [
        (SEQUENCE, (M / 4, M**2 * PI / (16 * (1 - PI)) + XI / 4), (M / (4 * (1 - PI)), XI / (4 * (1 - PI)))),
        (CORPUS, ((1 - PI) * M, (1 - PI) * (XI + M**2) - ((1 - PI) * M) ** 2), (M, XI)),
    ],
)
def test_moments_and_slab_are_those_of_the_formula_and_of_drawn_weights(synapse, moments, slab):
    found = weights(synapse, m=M, pi=PI, Xi=XI)
    for name, expected in zip(("mean", "variance", "slab_mean", "slab_variance"), (*moments, *slab), strict=True):
        assert value(found[name]) == pytest.approx(expected, rel=1e-6)
    assert value(found["spike"]) == pytest.approx(PI)
    assert value(found["coefficient_of_variation"]) == pytest.approx(np.sqrt(moments[1]) / moments[0], rel=1e-6)
    assert value(found["variability"]) == pytest.approx(moments[1] / (moments[0] ** 2 + moments[1]), rel=1e-6)
    sample = drawn(found, np.random.default_rng(0))
    assert sample.mean() == pytest.approx(moments[0], abs=5 * np.sqrt(moments[1] / sample.size))
    assert sample.var() == pytest.approx(moments[1], rel=0.01)


def test_gaussian_point_and_own_types_follow_their_own_expressions():
    gaussian = weights("gaussian", m=2.0, Xi=0.25)
    assert value(gaussian["coefficient_of_variation"]) == pytest.approx(0.25)
    assert value(gaussian["slab_variance"]) == pytest.approx(0.25)
    point = weights("point", m=2.0)
    assert value(point["mean"]) == pytest.approx(0.5)
    assert value(point["variance"]) == value(point["coefficient_of_variation"]) == value(point["variability"]) == 0
    own = weights("unreliable", UNRELIABLE, a=2.0, p=0.8)
    assert value(own["spike"]) == pytest.approx(0.2)
    assert value(own["slab_mean"]) == pytest.approx(0.5)
    assert value(own["slab_variance"]) == pytest.approx(0, abs=1e-12)


def test_a_slab_keeps_a_width_far_below_its_mean():
    found = weights(m=1000.0, pi=0.9, Xi=1e-12)
    assert value(found["slab_variance"]) == pytest.approx(1e-12 / 4 / (1 - np.float32(0.9)), rel=1e-6)


@pytest.mark.parametrize("given", ["run.nc", None])
def test_what_is_no_opened_run_is_told(given):
    with pytest.raises(RunFileError, match=r"(?s)is no opened run.*nm.open_run\("):
        analysis.weights(given, "in")


def test_variation_of_a_weight_of_mean_zero_is_infinite_and_none_is_zero():
    values = weights(m=np.array([0.0, 0.0, 1.0, 1.0]), pi=0.0, Xi=np.array([0.0, 1.0, 0.0, 4.0]))
    np.testing.assert_allclose(values["coefficient_of_variation"][0, 0], [0, np.inf, 0, 4])
    np.testing.assert_allclose(values["variability"][0, 0], [0, 1, 0, 16 / 17])


def test_entropy_of_a_spike_and_slab_is_that_of_its_parts_and_of_drawn_weights():
    found = weights(m=M, pi=PI, Xi=XI)
    entropy = analysis.entropy(found)
    p, b = np.float32(PI), float(found["slab_variance"][0, 0, 0])
    binary = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert value(entropy["discrete"]) == pytest.approx(binary, rel=1e-6)
    assert value(entropy["entropy"]) == pytest.approx(binary + (1 - p) * 0.5 * np.log(2 * np.pi * np.e * b), rel=1e-6)
    sample = drawn(found, np.random.default_rng(1))
    a = float(found["slab_mean"][0, 0, 0])
    log_slab = -((sample - a) ** 2) / (2 * b) - 0.5 * np.log(2 * np.pi * b)
    log_density = np.where(sample == 0, np.log(p), np.log(1 - p) + log_slab)
    error = 5 * log_density.std() / np.sqrt(sample.size)
    assert -log_density.mean() == pytest.approx(value(entropy["entropy"]), abs=error)


def test_entropy_of_normal_point_and_absent_weights():
    normal = analysis.entropy(weights("gaussian", m=2.0, Xi=0.25))
    assert value(normal["entropy"]) == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 0.25))
    point = weights("point", m=2.0)
    assert value(analysis.entropy(point)["entropy"]) == -np.inf
    floored = analysis.entropy(point, smallest_width=0.5)
    assert value(floored["entropy"]) == pytest.approx(value(normal["entropy"]))
    absent = {"mean": "0*a", "spike": "1", "parameter": {"a": {"initial": 0.0}}}
    assert value(analysis.entropy(weights("absent", absent, a=1.0))["entropy"]) == 0


def test_entropy_grows_with_the_unit_of_the_weight():
    one, ten = (analysis.entropy(weights(m=c * M, pi=PI, Xi=c**2 * XI))["entropy"] for c in (1, 10))
    assert value(ten) - value(one) == pytest.approx((1 - PI) * np.log(10), rel=1e-6)


def test_deterministic_are_weights_that_are_certainly_zero_or_certainly_the_slab():
    found = weights(
        CORPUS, m=1.0, pi=np.array([0.0, 0.999, 0.5, 0.0]), Xi=np.array([0.0, 9.0, 0.0, 1.0])
    )  # the slab; zero; zero or the slab; a wide slab
    fractions = analysis.determinism(found)
    expected = {"absent": 1 / 4, "unspiked": 2 / 4, "narrow": 2 / 4, "fixed": 1 / 4, "deterministic": 2 / 4}
    assert {name: float(fractions[name][0]) for name in fractions} == expected
    assert float(analysis.determinism(found, width=10)["fixed"][0]) == 2 / 4
    assert (fractions.attrs["certainty"], fractions.attrs["width"]) == (0.01, 0.01)


def test_point_weights_are_deterministic():
    assert float(analysis.determinism(weights("point", m=np.arange(4.0)))["deterministic"][0]) == 1


def test_a_histogram_counts_every_synapse_in_the_same_bins():
    m = np.stack([np.zeros((2, 2)), [[0.0, 1.0], [2.0, np.inf]]])
    found = analysis.histogram(weights("point", shape=m.shape, m=m)["mean"], bins=[0, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(found["fraction"], [[1, 0, 0], [0.25, 0, 0.5]])
    np.testing.assert_allclose(found["outside"], [0, 0.25])
    np.testing.assert_allclose(found["right"], [0.25, 0.5, 1.0])


def recurrent(matrix):
    return weights("gaussian", shape=(1, *np.shape(matrix)), m=np.asarray(matrix), Xi=0.0)["mean"]


def test_asymmetry_of_symmetric_antisymmetric_and_random_matrices():
    draw = np.random.default_rng(0).normal(size=(200, 200))
    for matrix, expected in ((draw + draw.T, 0), (draw - draw.T, 1)):
        assert float(analysis.asymmetry(analysis.pairs(recurrent(matrix)))[0]) == pytest.approx(expected, abs=1e-10)
    assert float(analysis.asymmetry(analysis.pairs(recurrent(draw)))[0]) == pytest.approx(0.5, abs=0.02)
    assert np.isnan(analysis.asymmetry(analysis.pairs(recurrent(np.eye(3))))[0])


def test_pairs_hold_both_directions_once():
    found = analysis.pairs(recurrent(np.arange(9).reshape(3, 3)))  # [post, pre]: from 0 to 1 is 3
    np.testing.assert_array_equal(found["i"], [0, 0, 1])
    np.testing.assert_array_equal(found["j"], [1, 2, 2])
    np.testing.assert_array_equal(found["forward"][0], [3, 6, 7])
    np.testing.assert_array_equal(found["backward"][0], [1, 2, 5])


def test_two_projections_are_paired_where_they_connect_the_same_units():
    there, back = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3).T
    same = analysis.pairs(recurrent(there), recurrent(back))
    assert same.sizes["pair"] == 6
    assert float(analysis.asymmetry(same)[0]) == 0
    with pytest.raises(RunFileError, match="do not connect the same pairs"):
        analysis.pairs(recurrent(there))
    with pytest.raises(RunFileError, match="2 × 3 .* back 2 × 3"):
        analysis.pairs(recurrent(there), recurrent(there))


def test_variability_of_units_is_the_share_of_variance_in_what_they_receive_and_send():
    found = weights("gaussian", shape=(1, 2, 3), m=1.0, Xi=np.array([[0, 0, 3], [1, 1, 1]]))
    units = analysis.unit_variability(found)
    np.testing.assert_allclose(units["incoming"][0], [3 / 6, 3 / 6])
    np.testing.assert_allclose(units["outgoing"][0], [1 / 3, 1 / 3, 4 / 6])
    most = analysis.most_variable_units(found, "outgoing", 2)
    np.testing.assert_array_equal(most["unit"], [2, 0])
    np.testing.assert_allclose(most, [4 / 6, 1 / 3])


def test_bootstrap_intervals_are_those_of_the_normal_law_and_of_their_seed():
    values = np.random.default_rng(2).normal(5, 2, 4000)
    low, high = analysis.interval(values, draws=4000)
    error = values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)
    assert analysis.interval(values, seed=3) == analysis.interval(values, seed=3) != analysis.interval(values, seed=4)
    assert analysis.interval(np.full(5, 7.0)) == (7, 7)


def compared():
    rng = np.random.default_rng(0)
    variances = {"calm": rng.uniform(0, 0.2, (2, 50, 20)), "lively": rng.uniform(0, 2, (2, 50, 20))}
    variances["calm too"] = rng.uniform(0, 0.2, (2, 50, 20))
    return synapses_run({name: {"m": np.ones_like(v), "Xi": v} for name, v in variances.items()}, "gaussian")


def test_projections_differ_where_their_interval_leaves_out_zero():
    found = analysis.compare_projections(compared())
    names = list(found["projection"].values)
    assert names == ["calm", "lively", "calm too"]
    assert (found["low"] < found["variability"]).all()
    assert (found["variability"] < found["high"]).all()
    assert found["difference_low"].sel(projection="lively", other="calm") > 0.3
    same = found.sel(projection="calm", other="calm too")
    assert same["difference_low"] < 0 < same["difference_high"]
    xr.testing.assert_identical(found, analysis.compare_projections(compared()))


def test_one_receiving_unit_has_no_interval():
    alone, many = np.ones((1, 1, 20)), np.random.default_rng(0).uniform(0, 2, (1, 50, 20))
    found = analysis.compare_projections(
        synapses_run({"alone": {"m": alone, "Xi": alone}, "many": {"m": np.ones_like(many), "Xi": many}}, "gaussian")
    )
    assert found["variability"].notnull().all()
    assert found["low"].isnull().values.tolist() == [True, False]
    assert found["difference_low"].isnull().values.tolist() == [[True, True], [True, False]]


def test_the_summary_has_every_projection_over_learning():
    parameters = {"m": np.ones((3, 2, 4)), "Xi": np.ones((3, 2, 4)) * np.array([3, 1, 0])[:, None, None]}
    found = analysis.summary(synapses_run({"a": parameters, "b": parameters}, "gaussian"))
    np.testing.assert_allclose(found["variability"].sel(projection="b"), [3 / 4, 1 / 2, 0])
    np.testing.assert_allclose(found["size"].sel(projection="a"), [2, np.sqrt(2), 1])
    np.testing.assert_allclose(found["coefficient_of_variation"].sel(projection="a"), [np.sqrt(3), 1, 0])
    np.testing.assert_allclose(found["deterministic"].sel(projection="a"), [0, 0, 1])
    share = np.array([3 / 4, 1 / 2, 0.01**2])  # of the squared weights; no less than the smallest width
    np.testing.assert_allclose(found["entropy"].sel(projection="a"), 0.5 * np.log(2 * np.pi * np.e * share))
    np.testing.assert_array_equal(found["presentation"], [0, 10, 20])


def test_a_run_without_snapshots_is_told_the_option(example):
    run = example(presentations=3, snapshots=0, units=5)
    for measure in (analysis.projections, analysis.summary, analysis.compare_projections):
        with pytest.raises(RunFileError, match="recording.synapses_every"):
            measure(run)


def test_an_unknown_projection_is_told_the_nearest():
    run = synapses_run({"recurrent": {"m": np.ones(SHAPE)}}, "point")
    with pytest.raises(RunFileError, match="did you mean 'recurrent'"):
        analysis.weights(run, "recurent")
