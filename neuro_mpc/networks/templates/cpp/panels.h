// Products of many rows with weights that stay as they are: C (rows × n) = [C] + A (rows × k) W (k × n), W packed.
//
// Packed weights lie in the order in which they are read, so that they are not copied while rows pass: stretches of
// inputs, in each of them panels of outputs, in each panel input by input. Panels are two vectors wide, or one; outputs
// that fill no vector have panels of 8, 4, 2 or 1, in which a vector holds as many inputs as fit in 8 bytes. Of a
// block of C, some rows of a panel, all sums stay in registers. C++ for any processor, by the vectors of GCC and Clang.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// Bytes of a vector, and the rows whose sums fill the vector registers.
#if defined(__AVX512F__)
inline constexpr int VECTOR_BYTES = 64, ROWS_OF_BLOCK = 12;
#elif defined(__AVX__)
inline constexpr int VECTOR_BYTES = 32, ROWS_OF_BLOCK = 6;
#elif defined(__aarch64__)
inline constexpr int VECTOR_BYTES = 16, ROWS_OF_BLOCK = 12;
#else
inline constexpr int VECTOR_BYTES = 16, ROWS_OF_BLOCK = 6;
#endif
inline constexpr int LONGEST_STRETCH = 256, ROWS_AT_ONCE = 240; // what is used again is found in the cache
inline constexpr int LINE_BYTES = 64, PAGE_BYTES = 4096;

template <typename T, int LANES>
struct Vector
{
    typedef T type __attribute__((vector_size(LANES * sizeof(T)), aligned(sizeof(T)), may_alias));
};

template <typename T> constexpr int lanes() { return VECTOR_BYTES / (int)sizeof(T); }

// Zeros are told by their bits, as the compiler may take for one what is no number.
template <typename T>
inline bool is_active(T input)
{
    std::conditional_t<sizeof(T) == sizeof(uint32_t), uint32_t, uint64_t> bits;
    std::memcpy(&bits, &input, sizeof bits);
    return bits << 1 != 0;
}

// Whether a row holds nothing but zeros; most hold something else among the first numbers.
template <typename T>
inline bool is_silent(int n, const T* row)
{
    constexpr int TOGETHER = 16; // looked at by vectors
    int active = 0, i = 0;
    for (; i + TOGETHER <= n && !active; i += TOGETHER)
        for (int j = i; j < i + TOGETHER; j++)
            active |= is_active(row[j]);
    for (; i < n && !active; i++)
        active |= is_active(row[i]);
    return !active;
}

// Rows of nothing but zeros up to the first other one, or (`next` negative) to the last: of steps before anything arrived,
// as on the edge of a picture, or afterwards, in all trials. They are not multiplied.
template <typename T>
inline int64_t silent_rows(int64_t rows, int n, const T* row, int64_t next)
{
    int64_t silent = 0;
    while (silent < rows && is_silent(n, row + silent * next))
        silent++;
    return silent;
}

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

// A row of which many inputs are silent, by all panels of a stretch: reading weights takes the time of a single row, and
// those of silent inputs are left out but for narrow panels.
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

// Length of the stretches into which k inputs are divided: about equal, all but the last even.
inline int stretch_length(int k)
{
    const int stretches = (k + LONGEST_STRETCH - 1) / LONGEST_STRETCH;
    return ((k + stretches - 1) / std::max(stretches, 1) + 1) / 2 * 2;
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
    for (int64_t row = 0; row < rows; row += ROWS_AT_ONCE)
    {
        const int some = std::min<int64_t>(ROWS_AT_ONCE, rows - row);
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
                std::copy_n(inputs + (int64_t)i * k, length, copy + i * LONGEST_STRETCH);
            for (int output = 0, width; output < n; output += width)
            {
                width = panel_width<T>(n - output);
                any_panel_product<2 * lanes<T>()>(width, some, length, COPIED ? copy : inputs, COPIED ? LONGEST_STRETCH : k,
                                                  panel, accumulate || first > 0, c + row * n + output, n);
                panel += length * width;
            }
        }
    }
}

template <typename T> // on its own, since a place on the stack costs time in itself
[[gnu::noinline]] void product_of_copies(int64_t rows, int n, int k, const T* a, const T* packed, bool accumulate, T* c)
{
    alignas(LINE_BYTES) T copy[ROWS_AT_ONCE * LONGEST_STRETCH];
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
