// Products of many rows with weights that stay as they are: C (rows × n) = [C] + A (rows × k) W (k × n), W packed.
//
// Packed weights lie in the order in which they are read, so that they are not copied while rows pass: stretches of
// inputs, in each of them panels of outputs (panels.h). Rows of silence at both ends are not multiplied.
#pragma once
#include "single_rows.h"

inline constexpr int ROWS_AT_ONCE = 240, COPIED_AT_ONCE = 120; // what is used again is found in a cache
inline constexpr int LINE_BYTES = 64, PAGE_BYTES = 4096;

// From one copied row to the next: a line more than a stretch, so that they begin at different places of their pages.
template <typename T> constexpr int copies_apart() { return LONGEST_STRETCH + LINE_BYTES / (int)sizeof(T); }

// Length of the stretches into which k inputs are divided: about equal, all but the last even.
inline int stretch_length(int k)
{
    const int stretches = (k + LONGEST_STRETCH - 1) / LONGEST_STRETCH;
    return ((k + stretches - 1) / std::max(stretches, 1) + 1) / 2 * 2;
}

// Pack W (k × n), given as it is or `transposed` (n × k).
template <typename T>
void pack_weights(bool transposed, int k, int n, const T* weights, T* packed)
{
    const int64_t next_input = transposed ? 1 : n, next_output = transposed ? k : 1;
    for (int first = 0, length; first < k; first += length)
    {
        length = std::min(stretch_length(k), k - first);
        for (int output = 0, width; output < n; output += width, packed += length * width)
        {
            width = panel_width<T>(n - output);
            const T* panel = weights + first * next_input + output * next_output;
            const int64_t next = transposed ? next_output : next_input;
            if (width < lanes<T>())
                pack_narrow_panel(length, width, panel, next_input, next_output, packed);
            else if (width == lanes<T>())
                pack_wide_panel<1>(transposed, length, panel, next, packed);
            else
                pack_wide_panel<2>(transposed, length, panel, next, packed);
        }
    }
}

// C (rows × n) = [C] + a (rows) w (n): a single input, whose weights lie in order.
template <typename T>
void outer_product(int64_t rows, int n, const T* a, const T* weights, bool accumulate, T* c)
{
    for (int64_t row = 0; row < rows; row++, c += n)
        for (int output = 0; output < n; output++)
            c[output] = (accumulate ? c[output] : (T)0) + a[row] * weights[output];
}

// The same of more than one input, as rows lie, or COPIED to a place for a stretch of them.
template <bool COPIED, typename T>
inline void product_in_stretches(int64_t rows, int n, int k, const T* a, const T* packed, bool accumulate, T* c, T* copy)
{
    constexpr int AT_ONCE = COPIED ? COPIED_AT_ONCE : ROWS_AT_ONCE;
    for (int64_t row = 0; row < rows; row += AT_ONCE)
    {
        const int some = std::min<int64_t>(AT_ONCE, rows - row);
        const T* panel = packed;
        for (int first = 0, length; first < k; first += length)
        {
            length = std::min(stretch_length(k), k - first);
            const T* inputs = a + row * k + first;
            if (!COPIED && rows == 1 && is_sparse(n, length, inputs))
            {
                sparse_product(n, length, inputs, panel, accumulate || first > 0, c);
                panel += (int64_t)length * n;
                continue;
            }
            for (int i = 0; COPIED && i < some; i++)
                std::copy_n(inputs + (int64_t)i * k, length, copy + i * copies_apart<T>());
            for (int output = 0, width; output < n; output += width)
            {
                width = panel_width<T>(n - output);
                any_panel_product<2 * lanes<T>()>(width, some, length, COPIED ? copy : inputs, COPIED ? copies_apart<T>() : k,
                                                  panel, accumulate || first > 0, c + row * n + output, n);
                panel += length * width;
            }
        }
    }
}

template <typename T> // on its own, since a place on the stack costs time in itself
[[gnu::noinline]] void product_of_copies(int64_t rows, int n, int k, const T* a, const T* packed, bool accumulate, T* c)
{
    alignas(LINE_BYTES) T copy[COPIED_AT_ONCE * copies_apart<T>()];
    product_in_stretches<true>(rows, n, k, a, packed, accumulate, c, copy);
}

// Whether rows of several stretches are copied, for what that costs: where they begin inside of cache lines, or all at the
// same place of their pages, a first-level cache serves a block of them more slowly.
template <typename T>
inline bool copied(int64_t rows, int k)
{
    const std::size_t bytes = k * sizeof(T);
    return rows >= ROWS_OF_BLOCK && k > LONGEST_STRETCH && (bytes % LINE_BYTES || bytes % PAGE_BYTES == 0);
}

// C (rows × n) = [C] + A (rows × k) W, packed for k and n; rows of silence at both ends are left out.
template <typename T>
void packed_product(int64_t rows, int n, int k, const T* a, const T* packed, bool accumulate, T* c)
{
    int64_t before = silent_rows(rows, k, a, k);
    int64_t after = before < rows ? silent_rows(rows, k, a + (rows - 1) * k, -(int64_t)k) : 0;
    const int64_t active = rows - before - after;
    if (active >= ROWS_OF_BLOCK) // as many stay as fill the last block, which takes no longer
    {
        const int64_t missing = (ROWS_OF_BLOCK - active % ROWS_OF_BLOCK) % ROWS_OF_BLOCK;
        const int64_t first = std::min(before, missing);
        before -= first, after -= std::min(after, missing - first);
    }
    if (!accumulate)
    {
        std::fill_n(c, before * n, (T)0);
        std::fill_n(c + (rows - after) * n, after * n, (T)0);
    }
    rows -= before + after, a += before * k, c += before * n;
    if (k == 1)
        outer_product(rows, n, a, packed, accumulate, c);
    else if (copied<T>(rows, k))
        product_of_copies(rows, n, k, a, packed, accumulate, c);
    else
        product_in_stretches<false>(rows, n, k, a, packed, accumulate, c, (T*)nullptr);
}
