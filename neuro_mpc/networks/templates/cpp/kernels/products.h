// Products with one weight for each unit, and sums over rows.
#pragma once
#include <algorithm>
#include <cstdint>

// target (rows × units) = [target] + source ⊙ weights (units)
template <typename T>
static inline void scale_rows(int64_t rows, int units, const T* source, const T* weights, bool accumulate, T* target)
{
    for (int64_t row = 0; row < rows; row++, source += units, target += units)
        if (accumulate)
            for (int i = 0; i < units; i++)
                target[i] += source[i] * weights[i];
        else
            for (int i = 0; i < units; i++)
                target[i] = source[i] * weights[i];
}

// target (rows, units) = [target] + source
template <typename T>
static inline void copy_rows(int64_t rows, int units, const T* source, bool accumulate, T* target)
{
    const int64_t count = rows * units;
    if (accumulate)
        for (int64_t i = 0; i < count; i++)
            target[i] += source[i];
    else
        std::copy(source, source + count, target);
}

// target (units) = [target] + Σ over rows of a ⊙ b
template <typename T>
static inline void sum_unit_products(int units, int64_t rows, const T* a, const T* b, bool accumulate, T* target)
{
    if (!accumulate)
        std::fill_n(target, units, (T)0);
    for (int64_t row = 0; row < rows; row++, a += units, b += units)
        for (int i = 0; i < units; i++)
            target[i] += a[i] * b[i];
}

// Columns of a (post × pre) matrix taken together, so that a row of the target and of the matrix stay in cache.
static const int COLUMN_BLOCK = 16;

// target (units) = [target] + Σ over rows of source²
template <typename T>
static inline void sum_squares(int units, int64_t rows, const T* source, bool accumulate, T* target)
{
    for (int first = 0; first < units; first += COLUMN_BLOCK)
    {
        const int count = std::min(COLUMN_BLOCK, units - first);
        double sums[COLUMN_BLOCK] = {0};
        for (int64_t row = 0; row < rows; row++)
            for (int i = 0; i < count; i++)
            {
                const double value = source[row * units + first + i];
                sums[i] += value * value;
            }
        for (int i = 0; i < count; i++)
            target[first + i] = (accumulate ? (double)target[first + i] : 0) + sums[i];
    }
}

// target (rows × units) = source (units) on every row.
template <typename T>
static inline void fill_rows(int units, int64_t rows, const T* source, T* target)
{
    for (int64_t row = 0; row < rows; row++, target += units)
        std::copy_n(source, units, target);
}
