"""Products with packed weights, compiled for vectors of every length that the processor has."""

import pytest
from vector_programs import COMPARED, TARGETS, printed

pytestmark = pytest.mark.compiler

PROGRAM = """
#include "cpp/packed_products.h"

// Of C = [C] + A W, with the same product in double precision; one in so many inputs is not silent, and none
// in so many rows at the beginning and at the end.
template <typename T> int wrong_of(int rows, int n, int k, bool transposed, int active, int before = 0, int after = 0)
{
    std::vector<T> a = drawn<T>(rows * k, 2);
    const std::vector<T> weights = drawn<T>(k * n, 3);
    for (int i = 0; i < rows * k; i++)
        if (i % active)
            a[i] = i % 3 ? (T)0 : (T)-0.0;
    std::fill_n(a.begin(), before * k, (T)0);
    std::fill_n(a.end() - after * k, after * k, (T)-0.0);
    std::vector<T> packed(k * n);
    pack_weights(transposed, k, n, weights.data(), packed.data());
    std::vector<double> sums(rows * n);
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < k; i++)
            for (int j = 0; j < n; j++)
                sums[row * n + j] += (double)a[row * k + i] * weights[transposed ? j * k + i : i * n + j];
    return wrong<T>(
        sums, [&](bool accumulate, T* c) { packed_product(rows, n, k, a.data(), packed.data(), accumulate, c); });
}

int main()
{
    std::printf("%d ", VECTOR_BYTES);
    int count = 0;
    for (int rows : {1, 2, 5, 12, 31, 243})
        for (int n : {1, 3, 10, 32, 61, 100, 127, 200})
            for (int k : {1, 2, 7, 100, 257, 515, 1024}) // the last two as copies, of both kinds
                for (bool transposed : {false, true})
                    for (int active : rows == 1 ? std::vector<int>{1, 2, 100} : std::vector<int>{1})
                        count += wrong_of<float>(rows, n, k, transposed, active) +
                                 wrong_of<double>(rows, n, k, transposed, active);
    for (auto [before, after] : std::vector<std::pair<int, int>>{{1, 0}, {0, 2}, {5, 7}, {30, 1}, {31, 0}})
        for (int k : {1, 7, 100, 515})
            count += wrong_of<float>(31, 61, k, true, 1, before, after) +
                     wrong_of<double>(31, 61, k, true, 1, before, after);
    std::printf("%d", count);
}
"""


@pytest.mark.parametrize(("target", "vector_bytes"), TARGETS)
def test_product_is_that_of_the_definition(tmp_path, target, vector_bytes):
    used_bytes, wrong = printed(COMPARED + PROGRAM, target, tmp_path)
    assert used_bytes == vector_bytes or not vector_bytes
    assert wrong == 0
