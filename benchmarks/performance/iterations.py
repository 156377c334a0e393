"""Iterations of inference and training steps, beside the peers and the bound."""

from __future__ import annotations

import os

from cases import Gratings, Layers, Sequences, Words
from measuring import Peer, compare, ratios, table

CORES = tuple(sorted(os.sched_getaffinity(0)))
OURS, BOUND = "neuro_mpc cpp", "products alone"
NAMES = {
    OURS: "framework:cpp",
    "neuro_mpc cython": "framework:cython",
    "neuro_mpc numpy": "framework:numpy",
    BOUND: "products",
    "JAX": "jax",
    "torch": "torch",
    "NumPy": "numpy",
    "NumPy, loops, float64": "numpy:loops",
    "NumPy, loops as released, float64": "numpy:released",
    "Brian2 Synapses": "brian2",
    "pcx": "pcx",
    "jpc": "jpc",
    "neuro_mpc cpp, sweeps": "framework:cpp:sweeps",
}


def _peers(options, case, *names: str) -> dict[str, Peer]:
    """Pinned to the last core."""
    return {name: Peer(NAMES[name], case, 1, CORES[-1:], **_python(options, NAMES[name])) for name in names}


def _python(options, name: str) -> dict[str, str]:
    return {"python": options.pythons[name]} if name in options.pythons else {}


def iteration(options) -> None:
    """an iteration of relaxation, mpl on MNIST rows, T = 28, N = 100, B = 128, float32, one core"""
    times = compare(_peers(options, Sequences(), *list(NAMES)[:10]), 100, options.repeats)
    table(times, "iteration of the batch", BOUND)
    ratios(
        "iteration",
        times,
        (OURS, "JAX", {"at_most": 1.0}),
        (OURS, BOUND, {"at_most": 1.2}),
        ("Brian2 Synapses", OURS, {"at_least": 80}),
        ("NumPy, loops as released, float64", OURS, {"at_least": 10}),
        ("NumPy, loops, float64", OURS, {}),
        ("torch", OURS, {}),
        ("NumPy", OURS, {}),
        ("neuro_mpc cython", OURS, {}),
        ("neuro_mpc numpy", OURS, {}),
    )


def large(options) -> None:
    """the same with N = 400"""
    times = compare(_peers(options, Sequences(units=400), OURS, BOUND, "JAX", "torch", "NumPy"), 100, options.repeats)
    table(times, "iteration of the batch", BOUND)
    ratios("large", times, (OURS, "JAX", {"at_most": 1.0}), (OURS, BOUND, {"at_most": 1.2}), ("torch", OURS, {}))


def single(options) -> None:
    """the same with one trial, N = 100"""
    times = compare(_peers(options, Sequences(trials=1), OURS, BOUND, "JAX", "torch", "NumPy"), 200, options.repeats)
    table(times, "iteration", BOUND)
    ratios("single", times, (OURS, "JAX", {"at_most": 1.0}), (OURS, BOUND, {}), ("torch", OURS, {}))


def layers(options) -> None:
    """a training step of a layered 784-256-256-10 circuit, point weights, tanh, B = 128, 20 iterations, one core"""
    times = compare(_peers(options, Layers(), OURS, BOUND, "pcx", "jpc"), 5, options.repeats)
    table(times, "training step", BOUND)
    ratios("layers", times, (OURS, "pcx", {"at_most": 1.0}), (OURS, "jpc", {"at_most": 1.0}), (OURS, BOUND, {}))


def presentation(options) -> None:
    """a presentation under fixed prediction (predicted, inferred, learned), MNIST rows, N = 100, B = 128, one core"""
    times = compare(_peers(options, Sequences(presentation=True), OURS, BOUND), 10, options.repeats)
    table(times, "presentation", BOUND)
    ratios("presentation", times, (OURS, BOUND, {}))


def words(options) -> None:
    """a presentation under fixed prediction, mpl-language with Penn Treebank: 300, 512, 10,000, B = 128, T = 35"""
    times = compare(_peers(options, Words(), OURS, BOUND), 1, min(options.repeats, 3))
    table(times, "presentation", BOUND)
    ratios("words", times, (OURS, BOUND, {}))


def gated(options) -> None:
    """the same of mpl-lstm-language: embedding and cells 256, 10,000 words, B = 64, T = 35"""
    case = Words("mpl-lstm-language", units=256, embedding=256, trials=64)
    times = compare(_peers(options, case, OURS, BOUND), 1, min(options.repeats, 3))
    table(times, "presentation", BOUND)
    ratios("gated", times, (OURS, BOUND, {"at_most": 1.25}))


def causal(options) -> None:
    """a presentation in causal time, mpl-mismatch: 32, 80, 32, B = 128, T = 32, 20 iterations a step, one core"""
    times = compare(_peers(options, Gratings(), OURS, BOUND), 5, options.repeats)
    table(times, "presentation", BOUND)
    ratios("causal", times, (OURS, BOUND, {"at_most": 1.3}))


def threads(options) -> None:
    """one thread and two, each free to use two cores, wall time"""
    if len(CORES) < 2:
        print("skipped: there is one core")
        return
    for units, count, target in [(100, 20, {"at_least": 0.9}), (400, 3, {"at_least": 1.5})]:
        case = Sequences(units=units)
        peers = {f"{number} thread, N = {units}": Peer("framework:cpp", case, number, CORES[-2:]) for number in (1, 2)}
        times = compare(peers, count, options.repeats)
        one, two = peers
        table(times, "iteration of the batch", one)
        ratios("threads", times, (one, two, target), clock="wall")


PARTS = {
    each.__name__: each for each in (iteration, large, single, layers, presentation, words, gated, causal, threads)
}
