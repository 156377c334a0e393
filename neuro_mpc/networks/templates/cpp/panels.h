// Panels of packed weights, and products of rows with one of them.
//
// A panel holds the weights of some outputs, input by input. It is two vectors wide, or one; outputs that fill no vector
// have panels of 8, 4, 2 or 1, in which a vector holds as many inputs as fit in 8 bytes. Of a block of C, some rows of a
// panel, all sums stay in registers.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include "vectors.h"

inline constexpr int LONGEST_STRETCH = 512; // of inputs: what is used again is found in a cache

// ROWS rows by a panel of VECTORS vectors. What C holds is asked for at once and added last: where it is large, it has
// to come from a distant cache, for which the sums would wait.
template <int ROWS, int VECTORS, typename T>
inline void wide_block(int k, const T* a, int64_t lda, const T* panel, bool accumulate, T* c, int64_t ldc)
{
    typedef typename Vector<T, lanes<T>()>::type vector;
    vector sums[ROWS][VECTORS] = {};
    #pragma GCC unroll 32
    for (int row = 0; row < ROWS; row++)
    {
        __builtin_prefetch(c + row * ldc, 1);
        __builtin_prefetch(c + row * ldc + VECTORS * lanes<T>() - 1, 1);
    }
    for (int i = 0; i < k; i++, panel += VECTORS * lanes<T>())
        #pragma GCC unroll 32
        for (int row = 0; row < ROWS; row++)
            #pragma GCC unroll 2
            for (int j = 0; j < VECTORS; j++)
                sums[row][j] += a[row * lda + i] * *(const vector*)(panel + j * lanes<T>());
    #pragma GCC unroll 32
    for (int row = 0; row < ROWS; row++)
        #pragma GCC unroll 2
        for (int j = 0; j < VECTORS; j++)
        {
            vector* found = (vector*)(c + row * ldc + j * lanes<T>());
            *found = accumulate ? *found + sums[row][j] : sums[row][j];
        }
}

// Inputs that a vector of a narrow panel holds of each output; they travel as one number of 8 bytes.
typedef double eight_bytes __attribute__((aligned(4), may_alias));
template <typename T> constexpr int inputs_together() { return sizeof(eight_bytes) / sizeof(T); }

template <typename V, std::size_t... LANE>
inline V repeated(double number, std::index_sequence<LANE...>) { return V{((void)LANE, number)...}; }

// ROWS rows by a panel of WIDTH outputs, fewer than a vector has lanes.
template <int ROWS, int WIDTH, typename T>
inline void narrow_block(int k, const T* a, int64_t lda, const T* panel, bool accumulate, T* c, int64_t ldc)
{
    constexpr int together = inputs_together<T>();
    typedef typename Vector<T, together * WIDTH>::type vector;
    typedef typename Vector<double, WIDTH>::type carrier;
    vector sums[ROWS] = {};
    int i = 0;
    for (; i + together <= k; i += together)
    {
        const vector weights = *(const vector*)(panel + i * WIDTH);
        #pragma GCC unroll 32
        for (int row = 0; row < ROWS; row++)
        {
            const eight_bytes read = *(const eight_bytes*)(a + row * lda + i);
            sums[row] += weights * (vector)repeated<carrier>(read, std::make_index_sequence<WIDTH>());
        }
    }
    #pragma GCC unroll 32
    for (int row = 0; row < ROWS; row++)
        #pragma GCC unroll 8
        for (int j = 0; j < WIDTH; j++)
        {
            T sum = accumulate ? c[row * ldc + j] : (T)0;
            #pragma GCC unroll 2
            for (int part = 0; part < together; part++)
                sum += sums[row][j * together + part];
            c[row * ldc + j] = sum;
        }
    for (; i < k; i++)
        for (int row = 0; row < ROWS; row++)
            for (int j = 0; j < WIDTH; j++)
                c[row * ldc + j] += a[row * lda + i] * panel[i * WIDTH + j];
}

// The next smaller block of rows: the largest power of two below.
constexpr int smaller(int rows) { return rows > 8 ? 8 : rows > 4 ? 4 : rows > 2 ? 2 : 1; }

// Rows by a panel, in blocks of ROWS; the last rows in smaller blocks.
template <int ROWS, int WIDTH, typename T>
inline void panel_product(int rows, int k, const T* a, int64_t lda, const T* panel, bool accumulate, T* c, int64_t ldc)
{
    int row = 0;
    for (; row + ROWS <= rows; row += ROWS)
        if constexpr (WIDTH >= lanes<T>())
            wide_block<ROWS, WIDTH / lanes<T>()>(k, a + row * lda, lda, panel, accumulate, c + row * ldc, ldc);
        else
            narrow_block<ROWS, WIDTH>(k, a + row * lda, lda, panel, accumulate, c + row * ldc, ldc);
    if constexpr (ROWS > 1)
        panel_product<smaller(ROWS), WIDTH>(rows - row, k, a + row * lda, lda, panel, accumulate, c + row * ldc, ldc);
}

// The widest panel that so many outputs fill.
template <typename T>
inline int panel_width(int outputs)
{
    int width = 2 * lanes<T>();
    while (width > outputs)
        width /= 2;
    return width;
}

// The same for a panel of a width that is known at run time; compiled once, which halves the time of that.
template <int WIDTH, typename T>
[[gnu::noinline]] void any_panel_product(int width, int rows, int k, const T* a, int64_t lda, const T* panel,
                                         bool accumulate, T* c, int64_t ldc)
{
    if (width == WIDTH)
        panel_product<ROWS_OF_BLOCK, WIDTH>(rows, k, a, lda, panel, accumulate, c, ldc);
    else if constexpr (WIDTH > 1)
        any_panel_product<WIDTH / 2>(width, rows, k, a, lda, panel, accumulate, c, ldc);
}

// A narrow panel of `width` outputs of W, of which `weights` is the first number, and the next ones of an input and of an
// output are so far away; the numbers of inputs that travel together lie side by side.
template <typename T>
inline void pack_narrow_panel(int length, int width, const T* weights, int64_t next_input, int64_t next_output, T* packed)
{
    constexpr int TOGETHER = inputs_together<T>();
    int i = 0;
    for (; i + TOGETHER <= length; i += TOGETHER, packed += TOGETHER * width)
        for (int j = 0; j < width; j++)
            for (int part = 0; part < TOGETHER; part++)
                packed[j * TOGETHER + part] = weights[(i + part) * next_input + j * next_output];
    for (; i < length; i++, packed += width)
        for (int j = 0; j < width; j++)
            packed[j] = weights[i * next_input + j * next_output];
}

// A panel of VECTORS vectors, the next input of which is `next` numbers away or, `transposed`, the next output: then some
// outputs are laid side by side first, which compilers do by vectors.
template <int VECTORS, typename T>
inline void pack_wide_panel(bool transposed, int length, const T* weights, int64_t next, T* packed)
{
    typedef typename Vector<T, lanes<T>()>::type vector;
    constexpr int WIDTH = VECTORS * lanes<T>(), BESIDE = WIDTH < 8 ? WIDTH : 8;
    if (!transposed)
    {
        for (int i = 0; i < length; i++, weights += next, packed += WIDTH)
            #pragma GCC unroll 2
            for (int j = 0; j < WIDTH; j += lanes<T>())
                *(vector*)(packed + j) = *(const vector*)(weights + j);
        return;
    }
    T beside[BESIDE * LONGEST_STRETCH];
    for (int j = 0; j < WIDTH; j += BESIDE, weights += BESIDE * next)
    {
        for (int i = 0; i < length; i++)
            #pragma GCC unroll 8
            for (int output = 0; output < BESIDE; output++)
                beside[i * BESIDE + output] = weights[output * next + i];
        for (int i = 0; i < length; i++)
            std::copy_n(beside + i * BESIDE, BESIDE, packed + i * WIDTH + j);
    }
}
