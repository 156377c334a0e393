"""Iterations of inference and training steps, beside the peers and their products alone."""

from __future__ import annotations

import os
from functools import cache

import results
from cases import Gratings, Layers, Sequences, Square, Training, Words
from measuring import Peer, compare, ratios, table
from with_products import products_of

import neuro_mpc as nm

CORES = tuple(sorted(os.sched_getaffinity(0)))
OURS, PRODUCTS = "neuro_mpc cpp", "products alone"
JAX_TILED, JAX_CHUNKS = "JAX, tiles of 16 trials", "JAX, read out 5 steps at a time"
NAMES = {
    OURS: "framework:cpp",
    "neuro_mpc cython": "framework:cython",
    "neuro_mpc numpy": "framework:numpy",
    PRODUCTS: "products",
    "JAX": "jax",
    JAX_TILED: "jax:tiled",
    JAX_CHUNKS: "jax:tiled",
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
    """Those that are wanted, pinned to the last core."""
    chosen = [name for name in names if not options.peers or _module(name) in options.peers]
    return {name: Peer(NAMES[name], case, 1, CORES[-1:], **_python(options, _module(name))) for name in chosen}


def _module(name: str) -> str:
    """What an implementation is called on the command line."""
    return NAMES[name].partition(":")[0]


def _python(options, module: str) -> dict[str, str]:
    return {"python": options.pythons[module]} if module in options.pythons else {}


@cache
def peak() -> float:
    """Floating-point operations a second of one core in one large product of OpenBLAS."""
    case, name = Square(), "one large product"
    times = compare({name: Peer("products", case, 1, CORES[-1:])}, 1, 5)
    found = case.operations / times[name]["processor"]
    results.RESULTS.peak = found
    print(f"peak: {found / 1e9:.1f} GFLOP/s of one core, in a product of {case.size} by {case.size} numbers")
    return found


def shown(times, case, unit: str) -> None:
    """The table of a case that was measured on one core."""
    table(times, unit, PRODUCTS, operations(case), peak())


def operations(case) -> int:
    """Of the products that a case needs."""
    return sum(2 * m * n * k * times for m, n, k, _, times in products_of(case))


def iteration(options) -> None:
    """an iteration of relaxation, mpl on MNIST rows, T = 28, N = 100, B = 128, float32, one core"""
    case = Sequences()
    times = compare(_peers(options, case, *list(NAMES)[:11]), 100, options.repeats)
    shown(times, case, "iteration of the batch")
    ratios(
        "iteration",
        times,
        (OURS, "JAX", {"at_most": 0.9}),
        (OURS, JAX_TILED, {"at_most": 0.9}),
        (OURS, PRODUCTS, {"at_most": 1.2}),
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
    _of_units(options, "large", 400, 100)


def larger(options) -> None:
    """the same with N = 1000"""
    _of_units(options, "larger", 1000, 50)


def largest(options) -> None:
    """the same with N = 2000"""
    _of_units(options, "largest", 2000, 20)


def _of_units(options, part: str, units: int, count: int) -> None:
    case = Sequences(units=units)
    times = compare(_peers(options, case, OURS, PRODUCTS, "JAX", JAX_TILED, "torch", "NumPy"), count, options.repeats)
    shown(times, case, "iteration of the batch")
    best = {"at_most": 0.9}
    jax = [(OURS, "JAX", best), (OURS, JAX_TILED, best)]
    ratios(part, times, *jax, (OURS, PRODUCTS, {"at_most": 1.2}), ("torch", OURS, {}))


def single(options) -> None:
    """the same with one trial, N = 100"""
    case = Sequences(trials=1)
    times = compare(_peers(options, case, OURS, PRODUCTS, "JAX", JAX_TILED, "torch", "NumPy"), 200, options.repeats)
    shown(times, case, "iteration")
    ratios("single", times, (OURS, "JAX", {"at_most": 1.0}), (OURS, PRODUCTS, {}), ("torch", OURS, {}))


def layers(options) -> None:
    """a training step of a layered 784-256-256-10 circuit, point weights, tanh, B = 128, 20 iterations, one core"""
    case = Layers()
    times = compare(_peers(options, case, OURS, PRODUCTS, "pcx", "jpc"), 5, options.repeats)
    shown(times, case, "training step")
    ratios("layers", times, (OURS, "pcx", {"at_most": 1.0}), (OURS, "jpc", {"at_most": 1.0}), (OURS, PRODUCTS, {}))


def presentation(options) -> None:
    """a presentation under fixed prediction (predicted, inferred, learned), MNIST rows, N = 100, B = 128, one core"""
    _presentation(options, "presentation", Sequences(presentation=True), 10, 0.75)


def large_presentation(options) -> None:
    """the same with N = 400"""
    _presentation(options, "large_presentation", Sequences(units=400, presentation=True), 3, 0.7)


def single_presentation(options) -> None:
    """the same with one trial, N = 100"""
    _presentation(options, "single_presentation", Sequences(trials=1, presentation=True), 200, 0.5)


def _presentation(options, part: str, case: Sequences, count: int, of_jax: float) -> None:
    times = compare(_peers(options, case, OURS, PRODUCTS, "JAX", "torch"), count, options.repeats)
    shown(times, case, "presentation")
    ratios(part, times, (OURS, "JAX", {"at_most": of_jax}), (OURS, "torch", {}), (OURS, PRODUCTS, {}))


def words(options) -> None:
    """a presentation under fixed prediction, mpl-language with Penn Treebank: 300, 512, 10,000, B = 128, T = 35"""
    case = Words()
    times = compare(_peers(options, case, OURS, PRODUCTS, "JAX", JAX_CHUNKS, "torch"), 1, min(options.repeats, 3))
    shown(times, case, "presentation")
    of_jax = {"at_most": 0.7}
    ratios("words", times, (OURS, "JAX", of_jax), (OURS, JAX_CHUNKS, of_jax), (OURS, "torch", {}), (OURS, PRODUCTS, {}))


def whole(options) -> None:
    """a whole run of mpl on mnist-rows, ten epochs, its tests and its evaluation, one core"""
    _whole(options, "whole", Training(), 0.6)


def single_whole(options) -> None:
    """a run of one epoch of mpl on mnist-rows, a trial at a time, its tests and its evaluation, one core"""
    _whole(options, "single_whole", Training(epochs=1, batch=1, rate=0.01, tested_every=27_500), 0.5)


def _whole(options, part: str, case: Training, of_jax: float) -> None:
    try:
        print(f"{case.trials['train'][1].size} trials to learn")
    except nm.NeuroMPCError as error:
        print(f"skipped: {error}")
        return
    times = compare(_peers(options, case, OURS, "JAX"), 1, min(options.repeats, 3))
    table(times, "run", "JAX")
    ratios(part, times, (OURS, "JAX", {"at_most": of_jax}))


def gated(options) -> None:
    """the same of mpl-lstm-language: embedding and cells 256, 10,000 words, B = 64, T = 35"""
    case = Words("mpl-lstm-language", units=256, embedding=256, trials=64)
    times = compare(_peers(options, case, OURS, PRODUCTS), 1, min(options.repeats, 3))
    shown(times, case, "presentation")
    ratios("gated", times, (OURS, PRODUCTS, {"at_most": 1.25}))


def causal(options) -> None:
    """a presentation in causal time, mpl-mismatch: 32, 80, 32, B = 128, T = 32, 20 iterations a step, one core"""
    case = Gratings()
    times = compare(_peers(options, case, OURS, PRODUCTS), 5, options.repeats)
    shown(times, case, "presentation")
    ratios("causal", times, (OURS, PRODUCTS, {"at_most": 1.3}))


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
    each.__name__: each
    for each in (
        *(iteration, large, larger, largest, single, layers),
        *(presentation, large_presentation, single_presentation, words, whole, single_whole, gated, causal, threads),
    )
}
