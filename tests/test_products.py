"""Products with packed weights, compiled for vectors of every length that the processor has."""

import pytest
from vector_programs import TARGETS, printed

pytestmark = pytest.mark.compiler

PROGRAM = """
#include "cpp/panels.h"
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

// How many numbers of C = [C] + A W are not those of the same product in double precision, or were written beside C.
template <typename T> int wrong(int rows, int n, int k, bool transposed)
{
    const int margin = 40;
    std::mt19937 engine(rows * 1000 + n * 10 + k);
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<T> a(rows * k), weights(k * n), packed(k * n), before(rows * n + 2 * margin);
    for (auto* each : {&a, &weights, &before})
        for (auto& value : *each)
            value = uniform(engine);
    pack_weights(transposed, k, n, weights.data(), packed.data());
    std::vector<double> plain(k * n), sums(rows * n);
    for (int i = 0; i < k; i++)
        for (int j = 0; j < n; j++)
            plain[i * n + j] = weights[transposed ? j * k + i : i * n + j];
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < k; i++)
            for (int j = 0; j < n; j++)
                sums[row * n + j] += a[row * k + i] * plain[i * n + j];
    int count = 0;
    for (bool accumulate : {false, true})
    {
        std::vector<T> c = before;
        packed_product(rows, n, k, a.data(), packed.data(), accumulate, c.data() + margin);
        for (int i = 0; i < margin; i++)
            count += !(c[i] == before[i]) + !(c[c.size() - 1 - i] == before[c.size() - 1 - i]);
        for (int i = 0; i < rows * n; i++)
        {
            double expected = sums[i] + (accumulate ? before[margin + i] : 0);
            count += !(std::fabs(c[margin + i] - expected) < (sizeof(T) == 4 ? 1e-4 : 1e-12));
        }
    }
    return count;
}

int main()
{
    std::printf("%d ", VECTOR_BYTES);
    int count = 0;
    for (int rows : {1, 2, 5, 12, 31, 243})
        for (int n : {1, 3, 10, 32, 61, 100, 127})
            for (int k : {1, 2, 7, 100, 257, 600})
                for (bool transposed : {false, true})
                    count += wrong<float>(rows, n, k, transposed) + wrong<double>(rows, n, k, transposed);
    std::printf("%d", count);
}
"""


@pytest.mark.parametrize(("target", "vector_bytes"), TARGETS)
def test_product_is_that_of_the_definition(tmp_path, target, vector_bytes):
    used_bytes, wrong = printed(PROGRAM, target, tmp_path)
    assert used_bytes == vector_bytes or not vector_bytes
    assert wrong == 0
