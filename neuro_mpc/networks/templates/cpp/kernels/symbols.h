// Rows that are one-hot, told by the numbers of their symbols.
#pragma once
#include <algorithm>
#include <cstdint>
#include "products.h"

// target (rows × post) = [target] + the column of each row's symbol; nothing for a negative one.
template <typename T>
static inline void gather_columns(int64_t rows, int post, int pre, const int32_t* symbols, const T* weights,
                                  bool accumulate, T* target)
{
    if (!accumulate)
        std::fill_n(target, rows * post, (T)0);
    for (int first = 0; first < post; first += COLUMN_BLOCK)
    {
        const int last = std::min(post, first + COLUMN_BLOCK);
        for (int64_t row = 0; row < rows; row++)
            if (symbols[row] >= 0)
                for (int i = first; i < last; i++)
                    target[row * post + i] += weights[(int64_t)i * pre + symbols[row]];
    }
}

// target (post × pre) = [target] + each of the rows (rows × post) in the column of its symbol.
template <typename T>
static inline void scatter_columns(int post, int pre, int64_t rows, const T* source, const int32_t* symbols,
                                   bool accumulate, T* target)
{
    if (!accumulate)
        std::fill_n(target, (int64_t)post * pre, (T)0);
    for (int first = 0; first < post; first += COLUMN_BLOCK)
    {
        const int last = std::min(post, first + COLUMN_BLOCK);
        for (int64_t row = 0; row < rows; row++)
            if (symbols[row] >= 0)
                for (int i = first; i < last; i++)
                    target[(int64_t)i * pre + symbols[row]] += source[row * post + i];
    }
}

// target (rows × units) = a one at the unit of each row's symbol.
template <typename T>
static inline void one_hot_rows(const int32_t* symbols, int64_t rows, int units, T* target)
{
    std::fill_n(target, rows * units, (T)0);
    for (int64_t row = 0; row < rows; row++)
        if (symbols[row] >= 0)
            target[row * units + symbols[row]] = 1;
}

// stimulus = one-hot of the largest output, row by row.
template <typename T>
static inline void choose_rows(const T* output, int classes, T* stimulus, int units, int rows)
{
    for (int row = 0; row < rows; row++, output += classes, stimulus += units)
    {
        const int best = std::max_element(output, output + classes) - output;
        std::fill_n(stimulus, units, (T)0);
        if (best < units)
            stimulus[best] = 1;
    }
}

// symbol = number of the largest output, row by row.
template <typename T>
static inline void choose_symbols(const T* output, int classes, int32_t* symbols, int, int rows)
{
    for (int row = 0; row < rows; row++, output += classes)
        symbols[row] = std::max_element(output, output + classes) - output;
}
