"""A scheme of inference and an optimiser in a file each, those of docs/own-schemes.md: imported, and installed."""

import os
import re
import signal
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from beside import ROOT, install, printed
from in_process import InProcess, started
from presented import CASES, INFERENCE_RATE, STEPS, TRIALS, Presentation, assert_close

import neuro_mpc as nm
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.descriptions.learning import OPTIMIZERS
from neuro_mpc.descriptions.plugins import origin_of
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks import launch, program_cache
from neuro_mpc.networks.plan import Plan
from neuro_mpc.rules.variables import brian_name
from neuro_mpc.runs.progress import SilentProgress

NESTEROV, RMSPROP, PROJECT = re.findall(
    r"^```\w+\n(.*?)^```$", (ROOT / "docs" / "own-schemes.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
)
SETTINGS = {
    "inference.scheme": "nesterov",
    "inference.lookahead": 0.5,
    "inference.iterations": 4,
    "learning.optimizer": "rmsprop",
    "learning.memory": 0.8,
    "learning.presentations": 3,
    "learning.batch": 4,
    "learning.rate": 0.01,
    "stimulus.letters": 5,
    "stimulus.length": 4,
    "stimulus.load": 4.0,
    "test.generate": 1,
}


def write_modules(folder: Path) -> None:
    (folder / "nesterov.py").write_text(NESTEROV, encoding="utf-8")
    (folder / "rmsprop.py").write_text(RMSPROP, encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Where the two modules lie, which are imported."""
    SCHEMES.names(), OPTIMIZERS.names()
    path = tmp_path_factory.mktemp("modules")
    write_modules(path)
    with pytest.MonkeyPatch.context() as patched, patch.dict(SCHEMES._plugins), patch.dict(OPTIMIZERS._plugins):
        patched.syspath_prepend(path)
        import nesterov
        import rmsprop

        yield path
        del sys.modules[nesterov.__name__], sys.modules[rmsprop.__name__]


@pytest.fixture
def described():
    return nm.load_circuit("mpl", {"population.hidden.size": 5}), nm.load_protocol("toy-language", SETTINGS)


def plan(name: str = "own", **options) -> Plan:
    circuit, read = CASES[name]
    return Plan(circuit, TRIALS, STEPS, read, precision="float64", **{"optimizer": "sgd", **options})


def test_beliefs_come_to_rest_where_the_energy_is_flat():
    shown = Presentation(InProcess(plan("own", scheme="nesterov")))
    shown.infer(iterations=500)
    for slope in shown.belief_gradients().values():
        np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_the_first_two_iterations_are_those_of_nesterov():
    """r(1) = r(0) + η (1 + β) g(0), r(2) = r(1) + η (β (β g(0) + g(1)) + g(1)), with the gradients of the reference."""
    shown = Presentation(InProcess(plan("own", scheme="nesterov")))
    beta, states = 0.7, []
    for count in range(3):
        shown.infer(iterations=count, momentum=beta)
        states.append((shown.beliefs["hidden"], -shown.belief_gradients()["hidden"]))
    (start, first), (once, second), (twice, _) = states
    assert_close(once, start + INFERENCE_RATE * (1 + beta) * first)
    assert_close(twice, once + INFERENCE_RATE * (beta * (beta * first + second) + second))


def test_without_lookahead_it_is_momentum():
    found = {}
    for scheme, options in (("nesterov", (("lookahead", 0.0),)), ("momentum", ())):
        shown = Presentation(InProcess(plan("own", scheme=scheme, scheme_options=options)))
        shown.infer(iterations=7)
        found[scheme] = shown.beliefs["hidden"]
    np.testing.assert_allclose(found["nesterov"], found["momentum"], rtol=1e-12)


def test_parameters_move_by_rmsprop():
    memory, rate, squares = 0.8, 0.05, {}
    shown = Presentation(InProcess(plan(optimizer="rmsprop", optimizer_options=(("memory", memory),))), rate=rate)
    expected = shown.parameters
    for count in range(3):
        shown.infer(noise_counter=count)
        slopes = shown.loss_gradients()
        shown.net.step("learning")
        for projection, values in expected.items():
            for name, theta in values.items():
                parameter, slope = shown.synapse(projection).parameter[name], slopes[projection][name] / TRIALS
                before = squares.get((projection, name), 0)
                square = squares[projection, name] = memory * before + (1 - memory) * slope**2
                step = rate * parameter.rate_factor * slope / (np.sqrt(square) + 1e-8)
                values[name] = np.clip(theta - step, parameter.low, parameter.high)
                assert_close(shown.parameters[projection][name], values[name], 1e-8)
                (kept,) = shown.net.get(f"{shown.plan.synapses_name(projection)}_square_{brian_name(name)}")
                assert_close(kept.reshape(square.shape), square, 1e-8)


def test_keys_are_those_of_the_scheme_and_of_the_optimiser(described):
    _, protocol = described
    assert (protocol.inference.lookahead, protocol.learning.memory) == (0.5, 0.8)
    assert nm.Protocol.from_toml(protocol.to_toml()) == protocol
    with pytest.raises(DescriptionError, match=r"(?s)inference.lookahead.*unknown key"):
        nm.load_protocol("toy-language", {**SETTINGS, "inference.scheme": "momentum"})
    with pytest.raises(DescriptionError, match=r"(?s)learning.memory.*below 1"):
        nm.load_protocol("toy-language", {**SETTINGS, "learning.memory": 2.0})


def test_a_run_in_a_process_of_its_own_is_that_in_this_one(described):
    """The process that runs the network imports the modules from where they were imported here."""
    other = nm.simulate(*described, seed=1, backend="numpy")
    with patch.object(launch, "start", started):
        here = nm.simulate(*described, seed=1, backend="numpy")
    assert (other["learning"].iterations == 4).all()
    np.testing.assert_array_equal(other["learning"].free_energy, here["learning"].free_energy)
    assert np.unique(here["learning"].free_energy).size == 3


class Interrupting(SilentProgress):
    """Ctrl-C during the second presentation."""

    def update(self, presentation, free_energy):
        if presentation == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_resumed_run_has_what_the_optimiser_remembered(described, tmp_path):
    energies = []
    with patch.object(launch, "start", started):
        for name, progress in (("whole", SilentProgress()), ("resumed", Interrupting())):
            out, options = tmp_path / f"{name}.nc", {"seed": 1, "backend": "numpy", "checkpoint_every": 0}
            try:
                run = nm.simulate(*described, out=out, progress=progress, **options)
            except KeyboardInterrupt:
                run = nm.simulate(*described, out=out, resume=True, **options)
            with run:
                energies.append((name, run["learning"].free_energy.values))
    (_, whole), (_, resumed) = energies
    np.testing.assert_array_equal(resumed, whole)


def test_what_another_package_generates_is_part_of_the_name_of_a_program(monkeypatch):
    assert program_cache.brought(plan(scheme="momentum", optimizer="adam")) == []
    before = program_cache.brought(plan(scheme="nesterov"))
    assert before == program_cache.brought(plan(scheme="nesterov"))
    assert before != program_cache.brought(plan(scheme="nesterov", scheme_options=(("lookahead", 0.5),)))
    monkeypatch.setattr(SCHEMES.get("nesterov"), "velocity", lambda self, rules: "velocity")
    assert before != program_cache.brought(plan(scheme="nesterov"))


def test_a_class_of_a_script_is_refused():
    with pytest.raises(DescriptionError, match=r"(?s)Mine is defined in a script.*try: define it in a module"):
        origin_of(type("Mine", (), {"__module__": "__main__"}))


def test_installed_ones_are_found_from_the_command_line(tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    write_modules(packages)
    install(packages, PROJECT)
    settings = [f"--set=protocol.{key}={value}" for key, value in SETTINGS.items()]
    command = ["-m", "neuro_mpc", "run", "mpl", "toy-language", "--backend", "numpy", "--out", "run.nc"]
    command += ["--set=circuit.population.hidden.size=5", *settings]
    printed(command, packages=packages, folder=tmp_path)
    with nm.open_run(tmp_path / "run.nc") as run:
        assert run["learning"].iterations.values.tolist() == [4, 4, 4]
        assert 'scheme = "nesterov"' in run.attrs["protocol"]
