"""Products with packed weights beside those of OpenBLAS, in GFLOP/s of one core.

    python benchmarks/products.py [--units 400 1000 …] [--rows 108] [--set LONGEST_STRETCH=256 …] [--repeats 7]

Rows of float32 are multiplied with four square matrices in turn, half of the time added to what is there, as often as
takes some 0.1 s; of the repetitions, the one with the least processor time counts.  A column each: products as they
are chosen, with rows read where they lie, with rows copied, and those of OpenBLAS.  --set measures them with a constant
of the headers changed, in a copy of them; each may be given several values (`LONGEST_STRETCH=128,256`), one table each.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from neuro_mpc.networks import blas, phase_runner
from neuro_mpc.networks.compiler import accepted_flags, compiler

COLUMNS = ("chosen", "as they lie", "copied", "OpenBLAS")
PROGRAM = """
#include "packed_products.h"
#include "cblas.h"
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

constexpr int MATRICES = 4;

static double processor_time()
{
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(int, char** arguments)
{
    const int n = std::atoi(arguments[1]), rows = std::atoi(arguments[2]), repeats = std::atoi(arguments[3]);
    std::mt19937 engine(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> a((std::size_t)rows * n), c(a.size());
    std::vector<std::vector<float>> weights(MATRICES, std::vector<float>((std::size_t)n * n)), packed = weights;
    for (float& each : a)
        each = uniform(engine);
    for (int i = 0; i < MATRICES; i++)
    {
        for (float& each : weights[i])
            each = uniform(engine);
        pack_weights(false, n, n, weights[i].data(), packed[i].data());
    }
    const auto product = [&](int column, int i) {
        const bool accumulate = i % 2;
        if (column == 0)
            packed_product<float>(rows, n, n, a.data(), packed[i].data(), accumulate, c.data());
        else if (column == 1)
            product_in_stretches<false>(rows, n, n, a.data(), packed[i].data(), accumulate, c.data(), (float*)nullptr);
        else if (column == 2)
            product_of_copies(rows, n, n, a.data(), packed[i].data(), accumulate, c.data());
        else
            scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, n, n, 1.0f, a.data(), n,
                              weights[i].data(), n, (float)accumulate, c.data(), n);
    };
    const double operations = 2.0 * n * n * rows * MATRICES;
    const int times = std::max(1, (int)(1e10 / operations));
    for (int column = 0; column < COLUMNS; column++)
    {
        double shortest = 1e30;
        for (int repeat = 0; repeat < repeats; repeat++)
        {
            const double before = processor_time();
            for (int time = 0; time < times; time++)
                for (int i = 0; i < MATRICES; i++)
                    product(column, i);
            shortest = std::min(shortest, processor_time() - before);
        }
        std::printf("%.1f ", operations * times / shortest / 1e9);
    }
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", nargs="+", type=int, default=[100, 257, 400, 1000, 1024, 2000, 2048])
    parser.add_argument("--rows", type=int, default=108)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE,…", dest="constants")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    variants = [("as it is", {})]
    for constant in given.constants:
        name, _, values = constant.partition("=")
        if not all(value.isdigit() for value in values.split(",")):
            parser.error(f"--set {constant}: expected NAME=NUMBER or NAME=NUMBER,NUMBER, as LONGEST_STRETCH=256")
        variants += [(f"{name} = {value}", {name: value}) for value in values.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        programs = [compiled(Path(folder) / f"{number}", changed) for number, (_, changed) in enumerate(variants)]
        for (title, _), program in zip(variants, programs, strict=True):
            print(f"\n{title}, {given.rows} rows, GFLOP/s\n\n| units | {' | '.join(COLUMNS)} |")
            print("|---" * (len(COLUMNS) + 1) + "|", flush=True)
            for units in given.units:
                command = [str(program), f"{units}", f"{given.rows}", f"{given.repeats}"]
                told = subprocess.run(command, capture_output=True, text=True, check=True, env=ONE_THREAD).stdout
                print(f"| {units} | {' | '.join(told.split())} |", flush=True)


ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


def compiled(folder: Path, constants: dict[str, str]) -> Path:
    """A program that measures the kernels of a copy of the headers with some constants changed."""
    shutil.copytree(phase_runner.HEADERS, folder)
    for name, value in constants.items():
        headers = [path for path in folder.rglob("*.h") if re.search(rf"\b{name} = \d+", path.read_text())]
        if not headers:
            sys.exit(f"no header has a constant {name!r}; see `inline constexpr int` in {phase_runner.HEADERS}")
        for path in headers:
            path.write_text(re.sub(rf"\b{name} = \d+", f"{name} = {value}", path.read_text()))
    source, program, found = folder / "products.cpp", folder / "products", blas.compiler_keywords()
    source.write_text(PROGRAM)
    (library,) = found["library_dirs"]
    linked = [f"-L{library}", f"-Wl,-rpath,{library}", *(f"-l{name}" for name in found["libraries"])]
    included = [f"-I{path}" for path in (folder, *found["include_dirs"])]
    command = [
        *compiler(),
        *accepted_flags("float32"),
        "-O2",
        f"-DCOLUMNS={len(COLUMNS)}",
        *included,
        str(source),
        "-o",
        str(program),
        *linked,
    ]
    subprocess.run(command, check=True)
    return program


if __name__ == "__main__":
    main()
