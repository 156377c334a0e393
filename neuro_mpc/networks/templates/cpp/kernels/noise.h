// Normal noise that is a function of its place and a counter.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <math.h> // functions of single precision by their plain names

inline constexpr int NORMALS = 64;
static const uint32_t PHILOX_FACTOR = 0xD256D193u, PHILOX_STEP = 0x9E3779B9u;

// The ten rounds of Philox 2x32 (Salmon et al. 2011) on `count` pairs of words of 32 bits, at most NORMALS, which lie in
// 64 bits: a product of two words is one instruction for a vector of them. Of what is returned the upper halves mean nothing.
#if (defined(__AVX2__) || defined(__AVX512F__)) && defined(__GNUC__) && !defined(__clang__)
#if defined(__AVX512F__)
inline constexpr int WORDS = 8;
#else
inline constexpr int WORDS = 4;
#endif
typedef uint64_t words __attribute__((vector_size(8 * WORDS), aligned(8), may_alias));
static inline words product_of_words(words a, words b) // GCC does not think of this instruction by itself
{
    typedef int halves __attribute__((vector_size(8 * WORDS)));
#if defined(__AVX512F__)
    typedef long long products __attribute__((vector_size(8 * WORDS)));
    return (words)__builtin_ia32_pmuludq512_mask((halves)a, (halves)b, products{}, (unsigned char)-1);
#else
    return (words)__builtin_ia32_pmuludq256((halves)a, (halves)b);
#endif
}
static inline void philox(uint64_t* x0, uint64_t* x1, int count, uint32_t first_key)
{
    constexpr int TOGETHER = 8; // vectors that pass all rounds in registers
    for (int first = 0; first < count; first += TOGETHER * WORDS)
    {
        words low[TOGETHER], high[TOGETHER];
        #pragma GCC unroll 8
        for (int j = 0; j < TOGETHER; j++)
        {
            low[j] = *(const words*)(x0 + first + j * WORDS);
            high[j] = *(const words*)(x1 + first + j * WORDS);
        }
        uint32_t key = first_key;
        #pragma GCC unroll 10
        for (int round = 0; round < 10; round++, key += PHILOX_STEP)
            #pragma GCC unroll 8
            for (int j = 0; j < TOGETHER; j++)
            {
                const words product = product_of_words(low[j], words{} + PHILOX_FACTOR);
                low[j] = (product >> 32) ^ (words{} + key) ^ high[j];
                high[j] = product;
            }
        #pragma GCC unroll 8
        for (int j = 0; j < TOGETHER; j++)
        {
            *(words*)(x0 + first + j * WORDS) = low[j];
            *(words*)(x1 + first + j * WORDS) = high[j];
        }
    }
}
#else
static inline void philox(uint64_t* x0, uint64_t* x1, int count, uint32_t key)
{
    for (int round = 0; round < 10; round++, key += PHILOX_STEP)
        for (int i = 0; i < count; i++)
        {
            const uint64_t product = (uint64_t)(uint32_t)x0[i] * (uint64_t)PHILOX_FACTOR;
            x0[i] = (product >> 32) ^ key ^ x1[i];
            x1[i] = (uint32_t)product;
        }
}
#endif

// `count` standard normal numbers of consecutive positions, at most NORMALS, times a scale: Philox, then Box-Muller.
template <typename T>
void counter_normals(uint32_t position, int count, uint32_t counter, uint32_t key, T scale, T* target)
{
    constexpr int TOGETHER = 16; // so that vectors are full, whatever the number
    static_assert(NORMALS % TOGETHER == 0);
    uint64_t x0[NORMALS], x1[NORMALS];
    for (int i = 0; i < NORMALS; i++)
    {
        x0[i] = position + (uint32_t)i;
        x1[i] = counter;
    }
    philox(x0, x1, count, key);
    T normals[NORMALS];
    for (int first = 0; first < count; first += TOGETHER)
        for (int i = first; i < first + TOGETHER; i++)
        {
            const T u = ((T)(uint32_t)x0[i] + (T)0.5) * (T)2.3283064365386963e-10;   // (0, 1]
            const T angle = (T)(int32_t)(uint32_t)x1[i] * (T)1.4629180792671596e-09; // 2π / 2³², in (−π, π)
            normals[i] = scale * (sqrt((T)-2 * log(u)) * cos(angle));
        }
    std::copy_n(normals, count, target);
}

// target (steps × width rows) = scale × noise of the trials `before + first` … of `trials`; none is drawn where the scale is
// 0.
template <typename T>
void fill_normal(T* target, int steps, int trials, int units, int before, int first, int width, int32_t counter, int32_t key,
                 int stream, T scale)
{
    if (scale == 0)
    {
        std::fill_n(target, (int64_t)steps * width * units, (T)0);
        return;
    }
    for (int step = 0; step < steps; step++)
        for (int trial = 0; trial < width; trial++, target += units)
        {
            const uint32_t position = (uint32_t)(step * trials + before + first + trial) * (uint32_t)units;
            for (int i = 0; i < units; i += NORMALS)
                counter_normals(position + (uint32_t)i, std::min(NORMALS, units - i), (uint32_t)counter,
                                (uint32_t)key ^ (uint32_t)stream, scale, target + i);
        }
}
