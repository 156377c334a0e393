"""This framework: a network's program, driven as a run drives it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from cases import NOISE_KEY, RATE, TINY_RATE, Gratings, Layers, Sequences, Training, Words
from framework_training import WholeRun

from neuro_mpc.networks.launch import start
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.rules.variables import brian_name

MOMENTUM = 0.9
LATE = 10**6  # a presentation at which an optimiser's means have settled


class Shown:
    """A program that was shown a batch: a stimulus, or those of several populations by their names."""

    def __init__(self, plan: Plan, backend: str, parameters: dict, stimulus: np.ndarray | dict, target: np.ndarray):
        self.plan, self._folder = plan, tempfile.TemporaryDirectory()
        self.program = start(plan, backend, Path(self._folder.name))
        self.process = self.program._process
        circuit = plan.circuit
        for projection, values in parameters.items():
            self.program.set(
                **{f"{plan.synapses_name(projection)}_{brian_name(name)}": each for name, each in values.items()}
            )
        for name, values in (stimulus if isinstance(stimulus, dict) else {circuit.stimulus: stimulus}).items():
            self.program.set_rows(name, plan.rate_name(name), values)
        wanted = (plan.label(circuit.target), "label_symbol") if plan.labelled else (circuit.target, "error_target")
        self.program.set_rows(wanted[0], f"{circuit.target}_{wanted[1]}", target)
        self.program.set(
            noise_scale=1,
            drawing=1,
            noise_counter=0,
            noise_key=NOISE_KEY,
            entering=1,
            first_window=0,
            stop_window=plan.steps,
            inference_dt=RATE * TAU_SECONDS,
            rate=TINY_RATE,
            energy_limit=3e38,
            **dict.fromkeys(scheme_of(plan).scalars, MOMENTUM),
            **(plan.update_rule.scalars(LATE) if plan.update_rule else {}),
        )
        self.phases("refreshing", "predicting")

    def phases(self, *names: str, count: int = 1) -> None:
        """Run presentations with these phases only, to the end of the last one."""
        flags = ("predicting", "inferring", "learning", "adapting", "refreshing", "generating", "carrying", "redrawing")
        names = (*names, "adapting") if "learning" in names else names
        self.program.set(**{flag: int(flag in names) for flag in flags})
        for _ in range(count):
            self.program.step()
        self.program.get("iterations")

    def give(self, noise: tuple[np.ndarray, np.ndarray]) -> None:
        """Noise of the hidden units and of the output in the place of that which is drawn."""
        hidden, output = noise
        self.program.set_rows("hidden", "hidden_prediction_epsilon", hidden)
        self.program.set_rows("output", "output_prediction_epsilon", output[None])
        self.program.set(drawing=0)


class Iterations(Shown):
    """Iterations of relaxation."""

    def __init__(self, case: Sequences, threads: int, backend: str, scheme: str = "relaxation"):
        plan = Plan(case.circuit, case.trials, case.steps, "last", scheme, precision=case.precision, threads=threads)
        stimulus, target = case.batch
        super().__init__(plan, backend, case.parameters, stimulus, target[None])
        self.give(case.noise)
        self.phases("predicting")

    def run(self, count: int) -> None:
        self.program.set(iterations=count)
        self.phases("inferring")

    def beliefs(self) -> np.ndarray:
        return self.program.get_rows("hidden", "hidden_belief_r")


class FixedPredictions(Shown):
    """Whole presentations under fixed prediction: predicted, inferred, learned."""

    def __init__(self, case: Sequences | Words, threads: int, backend: str = "cpp"):
        stimulus, target = case.batch
        of_words = isinstance(case, Words)
        plan = Plan(
            case.circuit,
            case.trials,
            case.steps,
            "every" if of_words else "last",
            optimizer="adam",
            precision=case.precision,
            threads=threads,
            symbolic=(case.circuit.stimulus, case.circuit.target) if of_words else (),
        )
        super().__init__(plan, backend, case.parameters, stimulus, target if of_words else target[None])
        if not of_words:
            self.give(case.noise)
        self.run(1)
        synapses = {name: case.circuit.synapse[case.circuit.projection[name].synapse] for name in case.circuit.untied}
        names = [plan.synapses_name(name) for name, synapse in synapses.items() if synapse.variance != "0"]
        self.found = self.program.get(*(f"{name}_{each}" for name in names for each in ("H1", "H2")))
        self.program.set(drawing=1)

    def run(self, count: int) -> None:
        self.phases("predicting", "inferring", "learning", count=count)

    def gradients(self) -> np.ndarray:
        """Sums over trials and steps, (H₁, H₂) of each projection that has a variance."""
        return np.concatenate([each.ravel() for each in self.found])


class Presentations(Shown):
    """Whole presentations of a layered circuit: predicted, inferred, learned."""

    def __init__(self, case: Layers, threads: int, backend: str = "cpp", scheme: str = "relaxation"):
        plan = Plan(case.circuit, case.trials, 1, "every", scheme, optimizer="sgd", threads=threads)
        stimulus, target = case.batch
        parameters = {name: {"w": weights} for name, weights in zip(case.circuit.projection, case.weights)}
        super().__init__(plan, backend, parameters, stimulus[None], target[None])
        self.program.set(iterations=case.iterations)

    def run(self, count: int) -> None:
        self.phases("predicting", "inferring", "learning", count=count)


class CausalPresentations(Shown):
    """Whole presentations in causal time: predicted, inferred step by step, learned."""

    def __init__(self, case: Gratings, threads: int, backend: str = "cpp", scheme: str = "relaxation"):
        plan = Plan(
            case.circuit,
            case.trials,
            case.steps,
            "every",
            scheme,
            optimizer="adam",
            precision=case.precision,
            threads=threads,
            window=0,
        )
        super().__init__(plan, backend, case.parameters, case.batch, case.batch["visual"])
        self.program.set(iterations=case.iterations)

    def run(self, count: int) -> None:
        self.phases("predicting", "inferring", "learning", count=count)


def make(
    case: Sequences | Words | Gratings | Layers | Training,
    threads: int,
    backend: str = "cpp",
    scheme: str = "relaxation",
) -> Shown | WholeRun:
    """The program of a case, or its whole run."""
    if isinstance(case, Training):
        return WholeRun(case, threads)
    if isinstance(case, Gratings):
        return CausalPresentations(case, threads, backend, scheme)
    if isinstance(case, Layers):
        return Presentations(case, threads, backend, scheme)
    if isinstance(case, Words) or case.presentation:
        return FixedPredictions(case, threads, backend)
    return Iterations(case, threads, backend, scheme)
