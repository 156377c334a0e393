// Sums over rows: C (m × n) = [C] + Aᵀ B, A (rows × m), B (rows × n), for matrices of some hundred units.
//
// Both factors are new at every presentation and read where they lie, in stretches of rows that stay in the first cache:
// a copy in another order, as libraries make for larger matrices, would take a good part of the time of the products.
// Of a block of C, some units of A by one or two vectors of B, all sums stay in registers. The last vector of B ends with
// the last unit, and the last block of A, too: they begin among units whose sums are there, which they keep.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include "vectors.h"

inline constexpr int ROWS_OF_STRETCH = 96, FEW = ROWS_OF_BLOCK / 3;

template <typename T, std::size_t... LANE>
inline auto numbered(std::index_sequence<LANE...>) { return typename Vector<T, sizeof...(LANE)>::type{(T)LANE...}; }

template <typename T> inline auto lane_numbers() { return numbered<T>(std::make_index_sequence<lanes<T>()>()); }

// UNITS of A by VECTORS of B, the second of which is so many units further; what C has of the first units, and of the
// first lanes of the last vector, is kept.
template <int UNITS, int VECTORS, typename T>
inline void sum_block(int rows, const T* a, int64_t m, const T* b, int64_t n, int further, int kept_units,
                      int kept_lanes, bool accumulate, T* c)
{
    typedef typename Vector<T, lanes<T>()>::type vector;
    vector sums[UNITS][VECTORS] = {};
    for (int row = 0; row < rows; row++, a += m, b += n)
    {
        vector of_b[VECTORS];
        #pragma GCC unroll 2
        for (int j = 0; j < VECTORS; j++)
            of_b[j] = *(const vector*)(b + j * further);
        #pragma GCC unroll 32
        for (int i = 0; i < UNITS; i++)
            #pragma GCC unroll 2
            for (int j = 0; j < VECTORS; j++)
                sums[i][j] += a[i] * of_b[j];
    }
    #pragma GCC unroll 32
    for (int i = 0; i < UNITS; i++)
        #pragma GCC unroll 2
        for (int j = 0; j < VECTORS; j++)
            if (i >= kept_units)
            {
                vector* const found = (vector*)(c + i * n + j * further);
                const vector before = *found, now = accumulate ? before + sums[i][j] : sums[i][j];
                const int kept = j + 1 < VECTORS ? 0 : kept_lanes;
                *found = kept > 0 ? (lane_numbers<T>() < (T)kept ? before : now) : now;
            }
}

// All units of A by a panel of B.
template <int VECTORS, typename T>
inline void sum_panel(int m, int rows, const T* a, const T* b, int64_t n, int further, int kept_lanes, bool accumulate,
                      T* c)
{
    int unit = 0;
    for (; unit + ROWS_OF_BLOCK <= m; unit += ROWS_OF_BLOCK)
        sum_block<ROWS_OF_BLOCK, VECTORS>(rows, a + unit, m, b, n, further, 0, kept_lanes, accumulate, c + unit * n);
    for (; unit < m; unit += FEW)
    {
        const int first = std::min(unit, m - FEW);
        sum_block<FEW, VECTORS>(rows, a + first, m, b, n, further, unit - first, kept_lanes, accumulate, c + first * n);
    }
}

// The rows at both ends in which one of the factors is silent are left.
template <typename T>
void leave_silent_rows(int m, int n, int& rows, const T*& a, const T*& b)
{
    const int before = std::max(silent_rows(rows, m, a, m), silent_rows(rows, n, b, n));
    a += (int64_t)before * m, b += (int64_t)before * n, rows -= before;
    const int64_t last = rows - 1;
    if (rows > 0)
        rows -= std::max(silent_rows(rows, m, a + last * m, -m), silent_rows(rows, n, b + last * n, -n));
}

// Whether the sums have whole blocks, of rows that are worth it, and lie so near to each other that copies are no gain.
template <typename T>
inline bool sums_in_place(int m, int n, int rows)
{
    return m >= ROWS_OF_BLOCK && n >= lanes<T>() && rows >= ROWS_OF_STRETCH && (int64_t)m * n <= 200000;
}

template <typename T>
void sum_in_place(int m, int n, int rows, const T* a, const T* b, bool accumulate, T* c)
{
    constexpr int wide = 2 * lanes<T>();
    for (int some; rows > 0; rows -= some, a += (int64_t)some * m, b += (int64_t)some * n, accumulate = true)
    {
        some = std::min(ROWS_OF_STRETCH, rows);
        for (int unit = 0; unit < n; unit += wide)
        {
            const int last = std::min(unit + lanes<T>(), n - lanes<T>());
            if (unit + lanes<T>() < n)
                sum_panel<2>(m, some, a, b + unit, n, last - unit, unit + lanes<T>() - last, accumulate, c + unit);
            else
                sum_panel<1>(m, some, a, b + n - lanes<T>(), n, 0, unit - (n - lanes<T>()), accumulate, c + n - lanes<T>());
        }
    }
}
