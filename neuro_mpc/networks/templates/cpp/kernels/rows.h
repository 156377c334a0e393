// What is done to rows of a population, one after the other: states, outputs, energies.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <math.h> // functions of single precision by their plain names

template <typename T>
static inline void fill_zero(T* target, int64_t count) { std::fill_n(target, count, (T)0); }

// history = the last rows, or zeros; the two may overlap.
template <typename T>
static inline void carry_rows(bool carrying, const T* last, T* history, int64_t count)
{
    if (carrying)
        std::memmove(history, last, count * sizeof(T));
    else
        fill_zero(history, count);
}

// target (steps × width × units) = the number of each trial, in all its steps at once: the first tells whether it is new.
template <typename T>
static inline void fill_trials(const double* values, T* target, int steps, int width, int units)
{
    for (int trial = 0; trial < width; trial++)
        if (target[trial * units] != (T)values[trial])
            for (int step = 0; step < steps; step++)
                std::fill_n(target + ((int64_t)step * width + trial) * units, units, (T)values[trial]);
}

// Whether any trial's number is not zero.
static inline bool any_trial(const double* values, int width)
{
    return std::any_of(values, values + width, [](double value) { return value != 0; });
}

template <typename T>
static inline void softmax_rows(const T* source, T* target, int64_t rows, int units)
{
    for (int64_t row = 0; row < rows; row++, source += units, target += units)
    {
        T largest = source[0], sum = 0;
        for (int i = 1; i < units; i++)
            largest = source[i] > largest ? source[i] : largest;
        for (int i = 0; i < units; i++)
        {
            target[i] = exp(source[i] - largest);
            sum += target[i];
        }
        const T scale = 1 / sum;
        for (int i = 0; i < units; i++)
            target[i] *= scale;
    }
}

// energy[trial] += factor · ½ Σ e²; rows run over steps, then trials.
template <typename T>
static inline void add_half_square(const T* source, int64_t rows, int units, double factor, double* energy, int width)
{
    for (int64_t row = 0; row < rows; row++, source += units)
    {
        T sum = 0;
        for (int i = 0; i < units; i++)
            sum += source[i] * source[i];
        energy[row % width] += 0.5 * factor * (double)sum;
    }
}

// energy[trial] += factor · Σ source
template <typename T>
static inline void add_sum(const T* source, int64_t rows, int units, double factor, double* energy, int width)
{
    for (int64_t row = 0; row < rows; row++, source += units)
    {
        T sum = 0;
        for (int i = 0; i < units; i++)
            sum += source[i];
        energy[row % width] += factor * (double)sum;
    }
}

// energy[trial] −= factor · Σ label · log softmax(source)
template <typename T>
static inline void add_cross_entropy(const T* source, const T* label, int64_t rows, int units, double factor,
                                     double* energy, int width)
{
    for (int64_t row = 0; row < rows; row++, source += units, label += units)
    {
        T largest = source[0], sum = 0, match = 0, total = 0;
        for (int i = 1; i < units; i++)
            largest = source[i] > largest ? source[i] : largest;
        for (int i = 0; i < units; i++)
        {
            sum += exp(source[i] - largest);
            match += label[i] * (source[i] - largest);
            total += label[i];
        }
        energy[row % width] += factor * ((double)total * std::log((double)sum) - (double)match);
    }
}

// energy[trial] −= factor · log of the probability of each row's symbol, y = softmax(source); nothing for a negative one.
// Of a probability that may be rounded to nothing, the logarithm is computed from the source.
template <typename T>
static inline void add_surprise(const T* source, const T* y, const int32_t* symbols, int64_t rows, int units,
                                double factor, double* energy, int width)
{
    for (int64_t row = 0; row < rows; row++, source += units, y += units)
    {
        const int32_t symbol = symbols[row];
        if (symbol < 0)
            continue;
        double surprise = -std::log((double)y[symbol]);
        if (y[symbol] < (T)1e-30)
        {
            T largest = source[0], sum = 0;
            for (int i = 1; i < units; i++)
                largest = source[i] > largest ? source[i] : largest;
            for (int i = 0; i < units; i++)
                sum += exp(source[i] - largest);
            surprise = std::log((double)sum) - (double)(source[symbol] - largest);
        }
        energy[row % width] += factor * surprise;
    }
}
