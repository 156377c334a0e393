"""Products with packed weights, compiled for vectors of every length that the processor has."""

import shutil
import subprocess
from pathlib import Path

import pytest

from neuro_mpc.network import sweep
from neuro_mpc.network.build import FLAGS
from neuro_mpc.network.compiler import compiler

pytestmark = pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")

PROGRAM = """
#include "cpp/panels.h"
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

// Largest deviation of C = [C] + A W from the same product in long double; 1e30 if anything was written beside C.
template <typename T> double deviation(int rows, int n, int k, bool transposed, bool accumulate)
{
    const int margin = 40;
    std::mt19937 engine(rows * 1000 + n * 10 + k);
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<T> a(rows * k), weights(k * n), packed(k * n), c(rows * n + 2 * margin);
    for (auto* each : {&a, &weights, &c})
        for (auto& value : *each)
            value = uniform(engine);
    const std::vector<T> before = c;
    pack_weights(transposed, k, n, weights.data(), packed.data());
    packed_product(rows, n, k, a.data(), packed.data(), accumulate, c.data() + margin);
    double worst = 0;
    for (int i = 0; i < margin; i++)
        if (c[i] != before[i] || c[c.size() - 1 - i] != before[c.size() - 1 - i])
            return 1e30;
    for (int row = 0; row < rows; row++)
        for (int j = 0; j < n; j++)
        {
            long double sum = accumulate ? before[margin + row * n + j] : 0;
            for (int i = 0; i < k; i++)
                sum += (long double)a[row * k + i] * weights[transposed ? j * k + i : i * n + j];
            worst = std::fmax(worst, std::fabs((double)(c[margin + row * n + j] - sum)));
        }
    return worst;
}

int main()
{
    std::printf("%d ", VECTOR_BYTES);
    double worst_float = 0, worst_double = 0;
    for (int rows : {1, 2, 5, 12, 31, 243})
        for (int n : {1, 3, 10, 32, 61, 100, 127})
            for (int k : {1, 2, 7, 100, 257, 600})
                for (int option = 0; option < 4; option++)
                {
                    worst_float = std::fmax(worst_float, deviation<float>(rows, n, k, option & 1, option & 2));
                    worst_double = std::fmax(worst_double, deviation<double>(rows, n, k, option & 1, option & 2));
                }
    std::printf("%g %g", worst_float, worst_double);
}
"""


@pytest.mark.parametrize(("target", "least_bytes"), [("-march=native", 16), ("-mavx2", 32), ("", 16)])
def test_product_is_that_of_the_definition(tmp_path, target, least_bytes):
    source, program = tmp_path / "products.cpp", tmp_path / "products"
    source.write_text(PROGRAM)
    flags = [*(flag for flag in FLAGS if flag != "-march=native"), f"-I{Path(sweep.TEMPLATES)}", *filter(None, [target])]
    built = subprocess.run([*compiler(), *flags, str(source), "-o", str(program)], capture_output=True, text=True)
    if target == "-mavx2" and (built.returncode or subprocess.run([str(program)], capture_output=True).returncode < 0):
        pytest.skip("this processor has no AVX2")
    assert not built.returncode, built.stderr
    found = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.split()
    vector_bytes, single, double = map(float, found)
    assert vector_bytes >= least_bytes
    assert single < 1e-4 and double < 1e-12
