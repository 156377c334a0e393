// Vectors of numbers, of the length that the processor has, and rows of nothing but zeros. C++ for any processor, by the
// vectors of GCC and Clang.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>

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
