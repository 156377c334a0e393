// Influences of synapses, of one trial at one step.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

// values (slots × size): each slot takes the values of the one before, the first none.
template <typename T>
static inline void shift_slots(T* values, int slots, int64_t size)
{
    std::memmove(values + size, values, (slots - 1) * size * sizeof(T));
    std::fill_n(values, size, (T)0);
}

// target[i · apart + j] += rate[j]: what the prediction of unit i owes to its synapses.
template <typename T>
static inline void add_rates(int post, int pre, int64_t apart, const T* rate, T* target)
{
    for (int i = 0; i < post; i++, target += apart)
        for (int j = 0; j < pre; j++)
            target[j] += rate[j];
}

template <typename T>
static inline void add_rates_scaled(int post, int pre, int64_t apart, const T* gain, const T* rate, T* target)
{
    for (int i = 0; i < post; i++, target += apart)
        for (int j = 0; j < pre; j++)
            target[j] += gain[i] * rate[j];
}

// The same where unit i has one synapse, from the unit of the same number.
template <typename T>
static inline void add_unit_rates(int post, int, int64_t apart, const T* rate, T* target)
{
    for (int i = 0; i < post; i++)
        target[i * apart] += rate[i];
}

template <typename T>
static inline void add_unit_rates_scaled(int post, int, int64_t apart, const T* gain, const T* rate, T* target)
{
    for (int i = 0; i < post; i++)
        target[i * apart] += gain[i] * rate[i];
}

// The same where the symbol alone is active, or none.
template <typename T>
static inline void add_symbol(int post, int, int64_t apart, const int32_t* symbol, T* target)
{
    if (*symbol >= 0)
        for (int i = 0; i < post; i++)
            target[i * apart + *symbol] += 1;
}

template <typename T>
static inline void add_symbol_scaled(int post, int, int64_t apart, const T* gain, const int32_t* symbol, T* target)
{
    if (*symbol >= 0)
        for (int i = 0; i < post; i++)
            target[i * apart + *symbol] += gain[i];
}

// target (pre × post) = slope ⊙ μᵀ, μ (post × pre)
template <typename T>
static inline void jacobian(int post, int pre, const T* mean, const T* slope, T* target)
{
    for (int j = 0; j < pre; j++)
        for (int i = 0; i < post; i++)
            target[(int64_t)j * post + i] = slope[j] * mean[(int64_t)i * pre + j];
}

// target (pre × post) += slope ⊙ rate ⊙ vᵀ ⊙ gain, v (post × pre)
template <typename T>
static inline void jacobian_of_variance(int post, int pre, const T* variance, const T* slope, const T* rate,
                                        const T* gain, T* target)
{
    for (int j = 0; j < pre; j++)
        for (int i = 0; i < post; i++)
            target[(int64_t)j * post + i] += slope[j] * rate[j] * variance[(int64_t)i * pre + j] * gain[i];
}

// The same of the diagonal alone, whose weights lie `apart` from each other.
template <typename T>
static inline void diagonal_jacobian(int units, int apart, const T* mean, const T* slope, T* target)
{
    for (int i = 0; i < units; i++)
        target[i] = slope[i] * mean[(int64_t)i * apart];
}

template <typename T>
static inline void diagonal_jacobian_of_variance(int units, int apart, const T* variance, const T* slope, const T* rate,
                                                 const T* gain, T* target)
{
    for (int i = 0; i < units; i++)
        target[i] += slope[i] * rate[i] * variance[(int64_t)i * apart] * gain[i];
}

// target (rows × n) += factors (rows) ⊙ source (rows × n)
template <typename T>
static inline void add_scaled_rows(int rows, int64_t n, const T* factors, const T* source, T* target)
{
    for (int row = 0; row < rows; row++, source += n, target += n)
    {
        const T factor = factors[row];
        for (int64_t j = 0; j < n; j++)
            target[j] += factor * source[j];
    }
}
