// Gradients clipped in a norm; one that is not finite stays as it is.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>
#include <math.h> // functions of single precision by their plain names
#include "numbers.h"

// Scale a matrix to at most `limit` in Frobenius norm, summed in double precision.
template <typename T>
static inline void clip_frobenius_norm(T* matrix, int post, int pre, double limit)
{
    const int64_t size = (int64_t)post * pre;
    double sum = 0;
    for (int64_t k = 0; k < size; k++)
        sum += (double)matrix[k] * matrix[k];
    if (is_finite(sum) && sum > limit * limit)
    {
        const T scale = limit / std::sqrt(sum);
        for (int64_t k = 0; k < size; k++)
            matrix[k] *= scale;
    }
}

// Scale a matrix to at most `limit` in its largest entry.
template <typename T>
static inline void clip_largest_norm(T* matrix, int post, int pre, double limit)
{
    const int64_t size = (int64_t)post * pre;
    double largest = 0;
    bool are_finite = true;
    for (int64_t k = 0; k < size; k++)
    {
        largest = std::max(largest, std::fabs((double)matrix[k]));
        are_finite &= is_finite(matrix[k]);
    }
    if (are_finite && largest > limit)
    {
        const T scale = limit / largest;
        for (int64_t k = 0; k < size; k++)
            matrix[k] *= scale;
    }
}

static const double NEGLIGIBLE = 1e-15L; // of what it is added to, in double precision

// What the square of a norm may rise in the last round of finding it, relative to itself.
template <typename T> static const double SETTLED = sizeof(T) == sizeof(float) ? 1e-7L : 2e-9L;

// The largest eigenvalue of a symmetric tridiagonal matrix of these squared entries beside its diagonal, from a bound that is
// not below it: Newton's method comes nearer from above only.
static inline double largest_eigenvalue(const std::vector<double>& diagonal, const std::vector<double>& squares, double above)
{
    for (;;)
    {
        double pivot = 1, slope = 0, sum = 0;
        for (size_t i = 0; i < diagonal.size(); i++)
        {
            const double ratio = i ? squares[i - 1] / pivot : 0;
            slope = 1 + ratio * slope / pivot;
            pivot = above - diagonal[i] - ratio;
            if (pivot <= 0)
                return above; // as near as rounding allows
            sum += slope / pivot;
        }
        if (1 / sum <= NEGLIGIBLE * above)
            return above;
        above -= 1 / sum;
    }
}

// target (pre) += scale² Aᵀ A x of some rows of A; xᵀ of what is added is returned. Both passes over the rows are in cache.
template <int ROWS, typename T>
static inline double add_square_of_rows(const T* matrix, int pre, T scale, const T* x, T* target)
{
    T passed[ROWS] = {};
    for (int j = 0; j < pre; j++)
        #pragma GCC unroll 4
        for (int row = 0; row < ROWS; row++)
            passed[row] += matrix[(int64_t)row * pre + j] * x[j];
    double square = 0;
    for (int row = 0; row < ROWS; row++)
    {
        passed[row] *= scale;
        square += (double)passed[row] * passed[row];
        passed[row] *= scale;
    }
    for (int j = 0; j < pre; j++)
    {
        T sum = target[j];
        #pragma GCC unroll 4
        for (int row = 0; row < ROWS; row++)
            sum += matrix[(int64_t)row * pre + j] * passed[row];
        target[j] = sum;
    }
    return square;
}

template <typename T>
static inline double squared_length(const std::vector<T>& x)
{
    double sum = 0;
    for (const T each : x)
        sum += (double)each * each;
    return sum;
}

// Scale a (post × pre) matrix A to at most `limit` in spectral norm, found by Lanczos's method on Aᵀ A, of which A is first
// scaled to a Frobenius norm of 1. A matrix that is not finite has no norm, and stays as it is.
template <typename T>
void clip_spectral_norm(T* matrix, int post, int pre, double limit)
{
    double frobenius = 0;
    for (int64_t k = 0; k < (int64_t)post * pre; k++)
        frobenius += (double)matrix[k] * matrix[k];
    if (!is_finite(frobenius) || frobenius <= limit * limit)
        return;
    const T scale = 1 / std::sqrt(frobenius);
    std::vector<T> before(pre), right(pre), next(pre);
    std::vector<double> diagonal, squares;
    double square = 0, largest = 0;
    for (int j = 0; j < pre; j++)
        right[j] = (T)1 + (T)((uint32_t)(j + 1) * 2654435761u >> 8) / (T)16777216;
    double length = squared_length(right);
    for (int round = 0; round < 200; round++)
    {
        const T shrinking = 1 / std::sqrt(length);
        for (int j = 0; j < pre; j++)
            right[j] *= shrinking;
        std::fill(next.begin(), next.end(), (T)0);
        double entry = 0;
        int row = 0;
        for (; row + 4 <= post; row += 4)
            entry += add_square_of_rows<4>(matrix + (int64_t)row * pre, pre, scale, right.data(), next.data());
        for (; row < post; row++)
            entry += add_square_of_rows<1>(matrix + (int64_t)row * pre, pre, scale, right.data(), next.data());
        const T of_right = entry, of_before = std::sqrt(square);
        for (int j = 0; j < pre; j++)
            next[j] -= of_right * right[j] + of_before * before[j];
        if (round)
            squares.push_back(square);
        diagonal.push_back(entry);
        // Where a row and a column are added, the eigenvalue rises at most to that of the old one and the new entries.
        const double half = (largest - entry) / 2;
        const double found = largest_eigenvalue(diagonal, squares, (largest + entry) / 2 + std::sqrt(half * half + square));
        const bool settled = found - largest <= SETTLED<T> * found;
        largest = found;
        length = square = squared_length(next);
        if (settled || square <= NEGLIGIBLE * largest * largest)
            break;
        before.swap(right);
        right.swap(next);
    }
    const double norm = std::sqrt(frobenius * largest);
    if (norm > limit)
    {
        const T clipping = limit / norm;
        for (int64_t k = 0; k < (int64_t)post * pre; k++)
            matrix[k] *= clipping;
    }
}
