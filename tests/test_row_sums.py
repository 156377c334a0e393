"""Sums over rows in place, compiled for vectors of every length that the processor has."""

import pytest
from vector_programs import COMPARED, TARGETS, printed

pytestmark = pytest.mark.compiler

PROGRAM = """
#include "cpp/row_sums.h"

// Of C = [C] + A'B, with the same sums in double precision.
template <typename T> int wrong_of(int rows, int m, int n)
{
    const std::vector<T> a = drawn<T>(rows * m, 2), b = drawn<T>(rows * n, 3);
    std::vector<double> sums(m * n);
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                sums[i * n + j] += (double)a[row * m + i] * b[row * n + j];
    return wrong<T>(sums, [&](bool accumulate, T* c) { sum_in_place(m, n, rows, a.data(), b.data(), accumulate, c); });
}

// Of sums in which rows at both ends are silent, in one factor or the other, or all rows.
template <typename T> int wrong_without(int before_a, int after_a, int before_b, int after_b)
{
    const int m = 30, n = 41, rows = 20;
    std::vector<T> a = drawn<T>(rows * m, 2), b = drawn<T>(rows * n, 3);
    std::fill_n(a.begin(), before_a * m, (T)0), std::fill_n(a.end() - after_a * m, after_a * m, (T)0);
    std::fill_n(b.begin(), before_b * n, (T)0), std::fill_n(b.end() - after_b * n, after_b * n, (T)0);
    const T *of_a = a.data(), *of_b = b.data();
    int left = rows;
    leave_silent_rows(m, n, left, of_a, of_b);
    const int before = std::max(before_a, before_b), expected = rows - before - std::max(after_a, after_b);
    const bool elsewhere = of_a != a.data() + before * m || of_b != b.data() + before * n;
    return (left != std::max(expected, 0)) + (left > 0 && elsewhere);
}

// Of the smallest sums that are computed in place, of those with a unit more, and of sizes that fill no blocks.
template <typename T> int wrong_of_all()
{
    int count = 0;
    for (int rows : {1, ROWS_OF_STRETCH, ROWS_OF_STRETCH + 1, 500})
        for (int m : {ROWS_OF_BLOCK, ROWS_OF_BLOCK + 1, 2 * ROWS_OF_BLOCK - 1, 100})
            for (int n : {lanes<T>(), lanes<T>() + 1, 2 * lanes<T>(), 2 * lanes<T>() + 3, 4 * lanes<T>() - 1, 100})
                count += wrong_of<T>(rows, m, n);
    return count;
}

int main()
{
    std::printf("%d %d %d ", VECTOR_BYTES, wrong_of_all<float>(), wrong_of_all<double>());
    int left = 0;
    for (int before_a : {0, 3, 20})
        for (int after_a : {0, 5})
            for (int before_b : {0, 2, 4})
                for (int after_b : {0, 6})
                    left += wrong_without<float>(before_a, after_a, before_b, after_b)
                            + wrong_without<double>(before_a, after_a, before_b, after_b);
    std::printf("%d ", left);
    std::printf("%d", sums_in_place<float>(ROWS_OF_BLOCK, lanes<float>(), ROWS_OF_STRETCH));
    std::printf("%d", sums_in_place<float>(ROWS_OF_BLOCK - 1, lanes<float>(), ROWS_OF_STRETCH));
    std::printf("%d", sums_in_place<float>(ROWS_OF_BLOCK, lanes<float>() - 1, ROWS_OF_STRETCH));
    std::printf("%d", sums_in_place<float>(400, 400, ROWS_OF_STRETCH - 1));
    std::printf("%d", sums_in_place<float>(400, 500, ROWS_OF_STRETCH));
    std::printf("%d", sums_in_place<float>(401, 500, ROWS_OF_STRETCH));
    std::printf("%d", sums_in_place<float>(50000, 50000, ROWS_OF_STRETCH));
}
"""


@pytest.mark.parametrize(("target", "vector_bytes"), TARGETS)
def test_sums_are_those_of_the_definition(tmp_path, target, vector_bytes):
    used_bytes, wrong_float, wrong_double, wrong_ends, in_place = printed(COMPARED + PROGRAM, target, tmp_path)
    assert used_bytes == vector_bytes or not vector_bytes
    assert (wrong_float, wrong_double, wrong_ends) == (0, 0, 0)
    assert in_place == 1000100, "whole blocks of enough rows, of matrices that are not large"
