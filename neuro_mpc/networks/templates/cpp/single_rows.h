// Products of single rows, whose silent inputs are left out: reading weights takes the time of such a product.
#pragma once
#include "panels.h"

// The active inputs of a row by PANELS panels of VECTORS vectors, which are so far from each other.
template <int PANELS, int VECTORS, typename T>
inline void active_block(int active, const int64_t* inputs, const T* a, const T* panels, int64_t apart, bool accumulate, T* c)
{
    typedef typename Vector<T, lanes<T>()>::type vector;
    vector sums[PANELS * VECTORS] = {};
    for (int i = 0; i < active; i++)
    {
        const T input = a[inputs[i]];
        const T* weights = panels + inputs[i] * VECTORS * lanes<T>();
        #pragma GCC unroll 8
        for (int j = 0; j < PANELS * VECTORS; j++)
            sums[j] += input * *(const vector*)(weights + j / VECTORS * apart + j % VECTORS * lanes<T>());
    }
    #pragma GCC unroll 8
    for (int j = 0; j < PANELS * VECTORS; j++)
    {
        vector* found = (vector*)(c + j * lanes<T>());
        *found = accumulate ? *found + sums[j] : sums[j];
    }
}

// The same for any number of panels of two vectors, at most PANELS at a time.
template <int PANELS, typename T>
inline void active_blocks(int panels, int active, const int64_t* inputs, int k, const T* a, const T* panel, bool accumulate,
                          T* c)
{
    constexpr int width = 2 * lanes<T>();
    for (; panels >= PANELS; panels -= PANELS, panel += (int64_t)PANELS * width * k, c += PANELS * width)
        active_block<PANELS, 2>(active, inputs, a, panel, (int64_t)k * width, accumulate, c);
    if constexpr (PANELS > 1)
        active_blocks<PANELS / 2>(panels, active, inputs, k, a, panel, accumulate, c);
}

// A row of which many inputs are silent, by all panels of a stretch; to a narrow one they are inputs as others are.
template <typename T>
__attribute__((noinline)) void sparse_product(int n, int k, const T* a, const T* panel, bool accumulate, T* c)
{
    constexpr int wide = 2 * lanes<T>();
    int64_t inputs[LONGEST_STRETCH];
    int active = 0;
    for (int i = 0; i < k; i++)
    {
        inputs[active] = i;
        active += is_active(a[i]);
    }
    active_blocks<4>(n / wide, active, inputs, k, a, panel, accumulate, c);
    for (int output = n / wide * wide, width; output < n; output += width)
    {
        width = panel_width<T>(n - output);
        if (width == lanes<T>())
            active_block<1, 1>(active, inputs, a, panel + (int64_t)output * k, 0, accumulate, c + output);
        else
            any_panel_product<lanes<T>() / 2>(width, 1, k, a, k, panel + (int64_t)output * k, accumulate, c + output, n);
    }
}

// Whether so many inputs are silent that leaving them out is a gain.
template <typename T>
inline bool is_sparse(int n, int k, const T* a)
{
    int active = 0;
    for (int i = 0; i < k; i++)
        active += is_active(a[i]);
    return n >= 2 * lanes<T>() && active < k - k / 4;
}
