"""What is measured, as arrays that every implementation starts from."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.networks.kernels.noise import normal

CLASSES, RATE = 10, 0.1
TINY_RATE = 1e-6  # of learning: what is measured does not change what is computed
ADAM = (0.9, 0.999, 1e-8)
NOISE_KEY = 1
CHUNK = 5  # steps whose words are read out together, where not all are
PARAMETERS = {
    "m": lambda rng, shape: rng.normal(0, np.sqrt(shape[1]), shape),
    "pi": lambda rng, shape: 0.1 * rng.random(shape),
    "Xi": lambda rng, shape: 0.1 * rng.random(shape),
}


def drawn_parameters(circuit: nm.Circuit, **factors: float) -> dict[str, dict[str, np.ndarray]]:
    """Projection → parameters, means times its factor: weights with which relaxation neither dies out nor diverges."""
    rng = np.random.default_rng(0)
    drawn = {
        name: {each: draw(rng, circuit.shape(name)) for each, draw in PARAMETERS.items()} for name in circuit.projection
    }
    for name, factor in factors.items():
        drawn[name]["m"] *= factor
    return drawn


@dataclass(frozen=True)
class Sequences:
    """The circuit `mpl` on MNIST, 28 pixels at a step, read at the last of `steps` steps.

    Measured are iterations of relaxation, or whole presentations under fixed prediction."""

    units: int = 100
    trials: int = 128
    steps: int = 28
    pixels: int = 28
    precision: str = "float32"
    presentation: bool = False

    @property
    def circuit(self) -> nm.Circuit:
        return nm.load_circuit("mpl", {"population.hidden.size": self.units}).sized(self.pixels, CLASSES)

    @cached_property
    def parameters(self) -> dict[str, dict[str, np.ndarray]]:
        return drawn_parameters(self.circuit, recurrent=0.3)

    @cached_property
    def moments(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """projection → (μ, v), each (post, pre)."""
        found = {}
        for name, values in self.parameters.items():
            m, pi, Xi, n = values["m"], values["pi"], values["Xi"], values["m"].shape[1]
            found[name] = tuple(each.astype(self.precision) for each in (m / n, m**2 * pi / (n**2 * (1 - pi)) + Xi / n))
        return found

    @cached_property
    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Stimulus (step, trial, pixel) and target (trial, class)."""
        rng = np.random.default_rng(1)
        stimulus = rng.random((self.steps, self.trials, self.pixels)) * (rng.random((self.steps, self.trials, 1)) < 0.7)
        target = np.eye(CLASSES)[rng.integers(0, CLASSES, self.trials)]
        return stimulus.astype(self.precision), target.astype(self.precision)

    @cached_property
    def noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the hidden units (step, trial, unit) and of the output (trial, class)."""
        hidden, output = self.drawn_noise()
        return hidden.astype(self.precision), output.astype(self.precision)

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.steps, self.trials, self.units), (self.trials, CLASSES)

    def drawn_noise(self) -> tuple[np.ndarray, np.ndarray]:
        """The same in double precision; equal at every call, by the generator that the released code uses."""
        rng = np.random.RandomState(2)
        hidden, output = self.noise_shapes
        return rng.normal(size=hidden), rng.normal(size=output)


@dataclass(frozen=True)
class Training:
    """A whole run of `mpl` on `mnist-rows`: its presentations, its tests, and the evaluation of the test trials."""

    epochs: int = 10
    batch: int = 128
    rate: float = 0.1
    tested_every: int = 500  # presentations

    @property
    def settings(self) -> dict[str, object]:
        learning = {"epochs": self.epochs, "batch": self.batch, "rate": self.rate}
        of_tests = {"test.ensemble": 0, "test.every": self.tested_every}
        return {f"learning.{key}": value for key, value in learning.items()} | of_tests

    @property
    def protocol(self) -> nm.Protocol:
        return nm.load_protocol("mnist-rows", self.settings)

    @property
    def circuit(self) -> nm.Circuit:
        return nm.load_circuit("mpl")

    @cached_property
    def trials(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Split → pixels (step, trial, pixel) and digits (trial)."""
        task = stimuli.load_task(self.protocol, self.circuit, 0)
        every = {name: np.arange(task.size(name)) for name in stimuli.SPLITS}
        return {name: (task.stimulus(name, all_), task.labels(name, all_)[-1]) for name, all_ in every.items()}

    @cached_property
    def parameters(self) -> dict[str, dict[str, np.ndarray]]:
        """As the circuit begins."""
        drawn = drawn_parameters(self.circuit.sized(28, CLASSES))
        units = len(drawn["recurrent"]["m"])
        return drawn | {"recurrent": drawn["recurrent"] | {"m": units * np.eye(units)}}


@dataclass(frozen=True)
class Words:
    """A circuit of text of the size of Penn Treebank: embedding, recurrent population and softmax.

    Measured are whole presentations under fixed prediction. Words and synapses are drawn, which costs the same."""

    model: str = "mpl-language"
    words: int = 10_000
    units: int = 512
    embedding: int = 300
    trials: int = 128
    steps: int = 35
    precision: str = "float32"

    @cached_property
    def circuit(self) -> nm.Circuit:
        free = nm.load_circuit(self.model).free
        units = {**dict.fromkeys(free, self.units), "embedding": self.embedding}
        sizes = {f"population.{name}.size": size for name, size in units.items()}
        return nm.load_circuit(self.model, sizes).sized(self.words, self.words)

    @cached_property
    def parameters(self) -> dict[str, dict[str, np.ndarray]]:
        rng, drawn = np.random.default_rng(0), {}
        for name, projection in self.circuit.projection.items():
            shape = self.circuit.shape(name)
            bound = 1 if name == "embedding" else shape[1] ** -0.5
            draw = {
                "m": functools.partial(rng.uniform, -bound, bound, shape),
                "pi": functools.partial(rng.uniform, 0, 0.1, shape),
                "Xi": functools.partial(rng.uniform, 0, 0.1 / shape[1], shape),
                "w": functools.partial(np.ones, shape),  # a wire
            }
            drawn[name] = {each: draw[each]() for each in self.circuit.synapse[projection.synapse].parameter}
        return drawn

    @cached_property
    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Words and those after them, each (step, trial, 1)."""
        text = np.random.default_rng(1).integers(0, self.words, (self.steps + 1, self.trials, 1)).astype(np.int32)
        return text[:-1], text[1:]

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.steps, self.trials, self.units), (self.steps, self.trials, self.words)

    @cached_property
    def noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the hidden units and of the output: what the framework draws, since rows of words have no place for given
        noise; step by step, as the whole takes gigabytes on the way."""
        rows, of_step = self.steps * self.trials, range(0, self.steps * self.trials, self.trials)
        return tuple(
            np.stack(
                [
                    normal(1, rows, shape[-1], first, self.trials, 0, NOISE_KEY, stream, self.precision)
                    for first in of_step
                ]
            )
            for stream, shape in enumerate(self.noise_shapes)
        )


@dataclass(frozen=True)
class Gratings:
    """The circuit `mpl-mismatch` in causal time: what is seen next, inferred step by step.

    Measured are whole presentations under relaxation. Stimuli are drawn, which costs the same."""

    units: int = 80
    visual: int = 32
    running: int = 4
    trials: int = 128
    steps: int = 32
    iterations: int = 20
    precision: str = "float32"

    @property
    def circuit(self) -> nm.Circuit:
        sizes = {"visual": self.visual, "running": self.running, "seen": self.visual}
        return nm.load_circuit("mpl-mismatch", {"population.hidden.size": self.units}).with_sizes(sizes)

    @cached_property
    def parameters(self) -> dict[str, dict[str, np.ndarray]]:
        return drawn_parameters(self.circuit, recurrent=0.3, seen=0.1)

    @cached_property
    def batch(self) -> dict[str, np.ndarray]:
        """Stimuli (step, trial, unit) by population."""
        rng, shape = np.random.default_rng(1), (self.steps, self.trials)
        widths = {"visual": self.visual, "running": self.running}
        return {name: rng.random((*shape, width)).astype(self.precision) for name, width in widths.items()}


@dataclass(frozen=True)
class Square:
    """One product of two large square matrices: as fast as the core multiplies."""

    size: int = 1536

    @property
    def operations(self) -> int:
        return 2 * self.size**3


@dataclass(frozen=True)
class Layers:
    """A layered circuit with point weights and tanh, clamped at both ends; sizes from stimulus to target."""

    sizes: tuple[int, ...] = (784, 256, 256, 10)
    trials: int = 128
    iterations: int = 20

    @property
    def circuit(self) -> nm.Circuit:
        names = ["input", *(f"layer{each}" for each in range(1, len(self.sizes) - 1)), "output"]
        population = {name: {"size": size, "activation": "tanh(r)"} for name, size in zip(names, self.sizes)}
        population["input"], population["output"] = {"role": "stimulus"}, {"role": "target", "readout": "gaussian"}
        projection = {post: {"from": pre, "to": post, "synapse": "weight"} for pre, post in itertools.pairwise(names)}
        synapse = {"weight": {"mean": "w", "parameter": {"w": {"initial": "normal(0, 1/sqrt(n))"}}}}
        return nm.Circuit(name="layers", population=population, projection=projection, synapse=synapse).sized(
            self.sizes[0], self.sizes[-1]
        )

    @cached_property
    def weights(self) -> list[np.ndarray]:
        """Of each layer, (post, pre)."""
        rng = np.random.default_rng(0)
        return [
            rng.normal(0, pre**-0.5, (post, pre)).astype(np.float32) for pre, post in zip(self.sizes, self.sizes[1:])
        ]

    @cached_property
    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Stimulus (trial, pixel) and target (trial, class)."""
        rng = np.random.default_rng(1)
        return (
            rng.random((self.trials, self.sizes[0])).astype(np.float32),
            np.eye(self.sizes[-1], dtype=np.float32)[rng.integers(0, self.sizes[-1], self.trials)],
        )
