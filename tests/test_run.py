"""Whole runs: they learn, repeat themselves bit for bit, and say what is wrong before or when it happens."""

import os
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

import neuro_mpc as nm
from neuro_mpc.networks import launch
from neuro_mpc.runs.progress import SilentProgress

SMALL_LANGUAGE = {
    "stimulus.letters": 6,
    "stimulus.transitions": [1, 2],
    "stimulus.length": 5,
    "stimulus.load": 2.0,
    "learning.batch": 12,
    "learning.epochs": 3,
    "test.every": 4,
    "recording.synapses_every": 4,
}

pytestmark = pytest.mark.usefixtures("in_this_process")


def small_run(circuit="mpl", size=12, seed=0, out=None, backend="numpy", progress=None, **protocol):
    settings = {**SMALL_LANGUAGE, **{key.replace("__", "."): value for key, value in protocol.items()}}
    return nm.simulate(
        nm.load_circuit(circuit, {"population.hidden.size": size}),
        nm.load_protocol("toy-language", settings),
        seed=seed,
        out=out,
        backend=backend,
        progress=progress,
    )


def content(run: xr.DataTree) -> dict[str, np.ndarray]:
    """Every variable of a run by its path."""
    return {f"{node.path}/{name}": variable.values for node in run.subtree for name, variable in node.variables.items()}


class TestItLearns:
    def test_the_toy_language_on_the_default_backend(self, tmp_path):
        run = nm.simulate(
            nm.load_circuit("mpl"),
            nm.load_protocol("toy-language", {"test.generate": 1000, "test.every": 100, "test.ensemble": 0}),
            seed=3,
            out=tmp_path / "run.nc",
        )
        ratio = run["learning"].correct_letter_ratio
        assert ratio[0] < 0.2  # chance is 2/26
        assert ratio[-1] >= 0.99
        run.close()

    def test_handwritten_digits_on_the_default_backend(self):
        fifth = {"learning.epochs": 40, "test.ensemble": 0}
        run = nm.simulate(nm.load_circuit("mpl"), nm.load_protocol("digits-rows", fifth), seed=1)
        assert run["learning"].accuracy[0] < 0.25
        assert run["learning"].accuracy[-1] >= 0.9

    def test_point_weights_on_a_small_language(self):
        run = small_run("pc", 20, learning__epochs=40, learning__rate=0.2, stimulus__load=4.0)
        assert run["learning"].correct_letter_ratio[-1] >= 0.9
        assert list(run["synapses/input"].data_vars) == ["m"]


class Listener(SilentProgress):
    def __init__(self):
        self.learned, self.tests, self.stages = [], [], []

    def update(self, presentation, free_energy):
        self.learned.append(presentation)

    def tested(self, presentation, values):
        self.tests.append((presentation, *values))

    def stage(self, text):
        self.stages.append(text)


@pytest.fixture(scope="module", params=["numpy", "cpp"])
def repeated(request, in_this_process, tmp_path_factory):
    """Backend, runs with the seeds 5, 5 and 6, the first two in processes of their own, and what they told; no other
    test has their circuit compiled."""
    folder, listener = tmp_path_factory.mktemp("runs"), Listener()

    def made(name, seed):
        return small_run(size=11, out=folder / f"{name}.nc", backend=request.param, seed=seed, progress=listener)

    with patch.object(launch, "start", in_this_process):
        runs = [made("a", 5), made("b", 5)]
    runs.append(made("c", 6))
    yield request.param, runs, listener
    for run in runs:
        run.close()


class TestItRepeats:
    def test_the_same_seed_gives_the_same_content(self, repeated):
        _, runs, _ = repeated
        first, second = map(content, runs[:2])
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        assert {key: value for key, value in runs[0].attrs.items() if key != "created"} == {
            key: value for key, value in runs[1].attrs.items() if key != "created"
        }

    def test_another_seed_gives_another_run(self, repeated):
        _, (_, first, second), _ = repeated
        assert not np.allclose(first["synapses/input"].m[0], second["synapses/input"].m[0])

    def test_a_second_run_of_a_circuit_is_not_compiled_again(self, repeated):
        backend, _, listener = repeated
        assert listener.stages.count("compiling") == (1 if backend == "cpp" else 0)

    def test_a_file_and_memory_give_the_same(self, tmp_path):
        in_memory, in_file = small_run(), small_run(out=tmp_path / "run.nc")
        for name, values in content(in_memory).items():
            np.testing.assert_array_equal(values, content(in_file)[name])
        in_file.close()


@pytest.fixture(scope="module")
def observed_run():
    return small_run(
        precision="float64",
        learning__optimizer="sgd",
        learning__rate=0.01,
        learning__clip=0.0,
        learning__schedule__kind="constant",
        inference__scheme="relaxation",
        inference__iterations=15,
        recording__samples=[2],
        recording__trials=0,
        recording__trajectory=True,
    )


@pytest.fixture(scope="module")
def sample(observed_run):
    """The arrays of presentation 2 after inference, with f, f² and the synapses before it."""
    before = {
        name: node.isel(snapshot=list(node.presentation.values).index(2))
        for name, node in observed_run["synapses"].children.items()
    }
    after = {
        name: node.isel(snapshot=list(node.presentation.values).index(3))
        for name, node in observed_run["synapses"].children.items()
    }
    hidden = {name: observed_run["neural/hidden"][name].values[0] for name in observed_run["neural/hidden"].data_vars}
    output = {name: observed_run["neural/output"][name].values[0] for name in observed_run["neural/output"].data_vars}
    return (
        before,
        after,
        hidden,
        output,
        observed_run["stimulus"].stimulus.values[0],
        observed_run["stimulus"].target.values[0],
    )


class TestTheFileTellsAll:
    """From noise, beliefs and snapshots anyone can recompute what was inferred and learned."""

    @staticmethod
    def moments(synapses):
        m, pi, xi = (synapses[name].values for name in ("m", "pi", "Xi"))
        n = m.shape[1]
        return m / n, m**2 * pi / (n**2 * (1 - pi)) + xi / n, n, m, pi

    def test_prediction_and_errors(self, sample):
        before, _, hidden, output, stimulus, target = sample
        mu_in, v_in, *_ = self.moments(before["input"])
        mu, v, *_ = self.moments(before["recurrent"])
        rate = np.maximum(hidden["belief"][-1], 0)
        np.testing.assert_allclose(hidden["rate"][-1], rate)
        earlier = np.concatenate([np.zeros_like(rate[:1]), rate[:-1]])
        variance = stimulus**2 @ v_in.T + earlier**2 @ v.T
        prediction = stimulus @ mu_in.T + earlier @ mu.T + np.sqrt(variance) * hidden["noise"][-1]
        np.testing.assert_allclose(hidden["prediction"][-1], prediction, atol=1e-12)
        np.testing.assert_allclose(hidden["error"][-1], hidden["belief"][-1] - prediction, atol=1e-12)
        mu_out, v_out, *_ = self.moments(before["output"])
        u = rate @ mu_out.T + np.sqrt(rate**2 @ v_out.T) * output["noise"][-1]
        np.testing.assert_allclose(output["output"][-1], np.exp(u) / np.exp(u).sum(-1, keepdims=True), atol=1e-12)
        np.testing.assert_allclose(output["error"][-1], target - output["output"][-1], atol=1e-12)

    def test_the_change_of_every_parameter_is_rate_times_gradient_by_trials(self, sample):
        before, after, hidden, output, stimulus, _ = sample
        rate = hidden["rate"][-1]
        earlier = np.concatenate([np.zeros_like(rate[:1]), rate[:-1]])
        _mu_in, v_in, *_ = self.moments(before["input"])
        _, v, *_ = self.moments(before["recurrent"])
        _, v_out, *_ = self.moments(before["output"])
        q = hidden["error"][-1] * hidden["noise"][-1] / np.sqrt(stimulus**2 @ v_in.T + earlier**2 @ v.T)
        q_out = output["error"][-1] * output["noise"][-1] / np.sqrt(rate**2 @ v_out.T)
        ends = {
            "input": (hidden["error"][-1], q, stimulus),
            "recurrent": (hidden["error"][-1], q, earlier),
            "output": (output["error"][-1], q_out, rate),
        }
        trials = stimulus.shape[1]
        for name, (error, scaled, pre) in ends.items():
            h1, h2 = np.einsum("tbi,tbj->ij", error, pre), np.einsum("tbi,tbj->ij", scaled, pre**2)
            _, _, n, m, pi = self.moments(before[name])
            descent = {
                "m": h1 / n + h2 * m * pi / (n**2 * (1 - pi)),
                "pi": h2 * m**2 / (2 * n**2 * (1 - pi) ** 2),
                "Xi": h2 / (2 * n),
            }
            bounds = {"m": (-np.inf, np.inf), "pi": (0, 0.99), "Xi": (0, np.inf)}
            for parameter, change in descent.items():
                expected = np.clip(before[name][parameter] + 0.01 * change / trials, *bounds[parameter])
                np.testing.assert_allclose(after[name][parameter], expected, rtol=1e-9, atol=1e-13)
                assert np.abs(after[name][parameter] - before[name][parameter]).max() > 0

    def test_the_trajectory_ends_where_inference_ends_and_energy_falls(self, observed_run, sample):
        _, _, hidden, output, _, target = sample
        assert hidden["belief"].shape[0] == 1 + 15
        energy = 0.5 * (hidden["error"] ** 2).sum((1, 2, 3)) - (target * np.log(output["output"])).sum((1, 2, 3))
        assert (np.diff(energy) < 0).all()
        learning = observed_run["learning"].sel(presentation=2)
        assert float(learning.free_energy) == pytest.approx(energy[-1] / target.shape[1])
        assert float(learning.free_energy_start) == pytest.approx(energy[0] / target.shape[1])


class TestItSaysWhatIsWrong:
    def test_a_diverging_run_stops_and_its_file_is_readable(self, tmp_path):
        path = tmp_path / "run.nc"
        with pytest.raises(nm.RunError, match=r"presentation \d+") as caught:
            small_run(
                out=path,
                inference__scheme="relaxation",
                inference__rate=1e6,
                inference__iterations=60,
                precision="float32",
            )
        assert "rate" in str(caught.value)
        with nm.open_run(tmp_path / "run.nc.partial") as run:
            assert run.attrs["complete"] == 0
            assert run["synapses/input"].m.shape[0] == 1

    def test_recording_what_is_not_there(self):
        with pytest.raises(nm.DescriptionError, match="recording.populations"):
            small_run(recording__populations=["input"])
        with pytest.raises(nm.DescriptionError, match="recording.samples"):
            small_run(recording__samples=[100])
        with pytest.raises(nm.DescriptionError, match="recording.trajectory"):
            small_run(recording__trajectory=True)

    def test_an_unknown_backend(self):
        with pytest.raises(nm.RunError, match="did you mean 'numpy'"):
            small_run(backend="nunpy")

    def test_without_a_compiler_the_run_goes_on_in_numpy(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CXX", raising=False)
        said = []
        assert launch.available("cpp", said.append) == "numpy"
        assert "compiler" in said[0]
        assert "apt install" in said[0]
        with pytest.raises(nm.RunError, match="compiler"):
            launch.available("cython")
        run = small_run(backend="cpp")
        assert run.attrs["backend"] == "numpy"

    def test_a_failing_build_shows_what_the_compiler_said(self, monkeypatch, tmp_path):
        fake = tmp_path / "g++"
        fake.write_text("#!/bin/sh\necho 'error: no such luck' >&2\nexit 1\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "cache"))
        with pytest.raises(nm.RunError, match="no such luck") as caught:
            small_run(backend="cpp", size=13)
        assert 'backend="numpy"' in str(caught.value)


class TestProgress:
    def test_every_presentation_and_test_is_told(self):
        listener = Listener()
        nm.simulate(
            nm.load_circuit("pc", {"population.hidden.size": 12}),
            nm.load_protocol("toy-language", SMALL_LANGUAGE),
            backend="numpy",
            progress=listener,
        )
        assert listener.learned == list(range(1, 7))
        assert [number for number, *_ in listener.tests] == [0, 4, 6]
