"""The MNIST protocols: the settings of the paper in its own units, and splits that are kept apart."""

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.descriptions.loading import shipped
from neuro_mpc.simulation.initial import draw
from neuro_mpc.simulation.schedule import Course
from neuro_mpc.stimuli.mnist_download import SHA256

MNIST = sorted(name for name in shipped("protocol") if name.startswith("mnist-"))
EPOCH = 200  # presentations of an epoch of the paper


@pytest.fixture(scope="module")
def paper():
    return nm.load_protocol("mnist-rows-paper")


def test_the_rate_halves_every_40_epochs_counted_from_one_down_to_its_floor(paper):
    course = Course(paper.learning, 60_000, 0)
    rates = [course.rate(epoch * EPOCH) for epoch in (0, 38, 39, 78, 79, 119, 159)]
    np.testing.assert_allclose(rates, [0.01, 0.01, 0.005, 0.005, 0.0025, 0.00125, 0.001])
    assert course.total == 100 * EPOCH
    assert EPOCH * course.batch == 25_600


def test_inference_takes_200_iterations_from_batch_40_on(paper):
    assert [paper.inference.iterations_at(k) for k in (0, 39, 40, 10_000)] == [100, 100, 200, 200]


@pytest.mark.parametrize("name", ["mpl", "pc"])
def test_initial_weights_are_those_of_the_paper(paper, name):
    circuit = nm.load_circuit(name).sized(28, 10)
    drawn = draw(circuit, paper, 0)
    assert drawn["input"]["m"].std() == pytest.approx(28 * np.sqrt(0.28), rel=0.05)
    assert drawn["output"]["m"].std() == pytest.approx(100 * np.sqrt(0.28), rel=0.05)
    np.testing.assert_array_equal(drawn["recurrent"]["m"], 100 * np.eye(100))
    for each in drawn.values():
        if name == "mpl":
            assert 0.09 < each["pi"].max() < 0.1
            assert 0.09 < each["Xi"].max() < 0.1


@pytest.mark.parametrize("name", MNIST)
def test_protocols_know_the_files_and_their_content(name):
    stimulus = nm.load_protocol(name).stimulus
    assert set(stimulus.files) == set(SHA256) == set(stimulus.checksums)
    assert 784 % stimulus.pixels_per_step == 0


@pytest.mark.parametrize("name", ["digits-rows", *MNIST])
def test_what_is_chosen_by_a_test_is_not_the_test_split(name, paper):
    protocol = nm.load_protocol(name)
    assert protocol.test.ensemble > 0
    assert (protocol.test.split == "validation") == (protocol != paper)
