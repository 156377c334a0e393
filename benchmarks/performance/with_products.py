"""The matrix products of an iteration alone, as OpenBLAS does them, in one call each."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from pathlib import Path

from cases import CLASSES, Gratings, Layers, Sequences, Square, Words

from neuro_mpc.networks import blas

PROGRAM = """
#include <cstdio>
#include <vector>
#include "cblas.h"
struct Product { int m, n, k; bool transposed; int times; };  // C (m × n) = A (m × k) B, B as it is or transposed
int main()
{
    const Product products[] = { %s };
    std::vector<std::vector<float>> a, b, c;
    for (const auto& each : products)
    {
        a.emplace_back((size_t)each.m * each.k, 0.5f);
        b.emplace_back((size_t)each.k * each.n, 0.25f);
        c.emplace_back((size_t)each.m * each.n);
    }
    for (int count; std::scanf("%%d", &count) == 1;)
    {
        for (; count > 0; count--)
            for (size_t i = 0; i < a.size(); i++)
            {
                const auto& each = products[i];
                for (int again = 0; again < each.times; again++)
                    scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, each.transposed ? CblasTrans : CblasNoTrans,
                        each.m, each.n, each.k, 1, a[i].data(), each.k, b[i].data(),
                        each.transposed ? each.k : each.n, 0, c[i].data(), each.n);
            }
        std::puts("done");
        std::fflush(stdout);
    }
}
"""


def products_of(case: Sequences | Words | Gratings | Layers | Square) -> list[tuple[int, int, int, bool, int]]:
    """(m, n, k, transposed, times) of each product: of an iteration, or of a whole training step if the case is one."""
    if isinstance(case, Gratings):
        return 2 * _of_gratings(case)
    if isinstance(case, Square):
        return [(case.size, case.size, case.size, False, 1)]
    return [(*each, 1) for each in _each_once(case)]


def _each_once(case: Sequences | Words | Layers) -> list[tuple[int, int, int, bool]]:
    if isinstance(case, Sequences):
        rows, units = (case.steps - 1) * case.trials, case.units
        forward = [(rows, units, units, True), (case.trials, CLASSES, units, True)]
        iteration = 2 * forward + 2 * [(m, k, n, False) for m, n, k, _ in forward]
        if not case.presentation:
            return iteration
        stimulus = (case.steps * case.trials, units, case.pixels, True)
        return iteration + 2 * [stimulus] + 2 * [(n, k, m, False) for m, n, k, _ in (stimulus, *forward)]
    if isinstance(case, Words):
        return _products_of_words(case)
    sizes, trials = case.sizes, case.trials
    pairs = list(itertools.pairwise(sizes))
    start = [(trials, post, pre, True) for pre, post in pairs]
    each = [(trials, post, pre, True) for pre, post in pairs[1:]] + [
        (trials, pre, post, False) for pre, post in pairs[1:]
    ]
    return start + case.iterations * each + [(post, pre, trials, False) for pre, post in pairs]


def _products_of_words(case: Words) -> list[tuple[int, int, int, bool]]:
    """Forward, backward and summed, of means and, where there are some, of variances.

    Words are looked up; the synapses of constants, and one-to-one, are no matrices."""
    products, circuit = [], case.circuit
    for name, projection in circuit.projection.items():
        if projection.source in circuit.given or projection.connect == "one-to-one":
            continue
        n, k = circuit.shape(name)
        m = (case.steps - projection.delay) * case.trials
        moments = 1 if circuit.synapse[projection.synapse].variance == "0" else 2
        products += moments * [(m, n, k, True), (m, k, n, False), (n, k, m, False)]
    return products


def _of_gratings(case: Gratings) -> list[tuple[int, int, int, bool, int]]:
    """Of means, or of variances: beliefs of a step do not change what arrives from the steps before it."""
    rows, trials, units, seen = case.steps * case.trials, case.trials, case.units, case.visual
    given = [(rows, units, case.visual, True, 1), (rows, units, case.running, True, 1)]
    all_seen = (rows, seen, units, True, 1)
    step = (trials, units, units, True, 2)  # as predicted, and from the beliefs as they were inferred
    iterations = [(trials, seen, units, True, case.iterations), (trials, units, seen, False, case.iterations)]
    sums = [(n, k, m, False, 1) for m, n, k, *_ in (*given, (rows, units, units, True, 1), all_seen)]
    return [*given, all_seen, *case.steps * [step, *iterations], all_seen, *sums]


class Products:
    """The compiled products."""

    def __init__(self, case: Sequences | Words | Gratings | Layers | Square, threads: int):
        self._folder = tempfile.TemporaryDirectory()
        source, program = (Path(self._folder.name) / name for name in ("products.cpp", "products"))
        source.write_text(
            PROGRAM
            % ", ".join(f"{{{m}, {n}, {k}, {str(t).lower()}, {times}}}" for m, n, k, t, times in products_of(case))
        )
        found = blas.compiler_keywords()
        (include,), (library,) = found["include_dirs"], found["library_dirs"]
        subprocess.run(
            [
                os.environ.get("CXX", "g++"),
                "-O2",
                str(source),
                f"-I{include}",
                f"-L{library}",
                f"-Wl,-rpath,{library}",
                f"-l{found['libraries'][0]}",
                "-o",
                str(program),
            ],
            check=True,
        )
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def run(self, count: int) -> None:
        self.process.stdin.write(f"{count}\n".encode())
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"done\n"


make = Products
