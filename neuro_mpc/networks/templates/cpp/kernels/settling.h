// Whether and how far trials go on settling, each by its energy.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <math.h> // functions of single precision by their plain names
#include "numbers.h"

// Compiled for single precision, a literal without a suffix is single: the highest energy would be infinite.
static const double HIGHEST = 1e300L, LENGTHENING = 1.2, LONGEST = 1;

// Whether an energy is a number and not above the last one.
static inline bool has_not_risen(double energy, double last, double rounding)
{
    return energy <= last + rounding * std::fabs(last) && is_finite(energy);
}

// moves = 1 for the trials whose energy still changes by more than `tolerance` times itself, else 0, as for all once the
// sum of their energies `limited` passed `limit`.
static inline void settle_trials(int iteration, double tolerance, double limit, const double* loss, const double* hidden,
                                 const double* limited, double* last, int32_t* used, double* moves, int width)
{
    double sum = 0;
    for (int trial = 0; trial < width; trial++)
        sum += limited[trial];
    const bool astray = sum > limit;
    for (int trial = 0; trial < width; trial++)
    {
        if (iteration == 0)
            used[trial] = 0;
        const double energy = loss[trial] + hidden[trial];
        const bool settled = tolerance > 0 && iteration > 0
                             && std::fabs(last[trial] - energy) <= tolerance * std::fabs(last[trial]);
        const bool moving = used[trial] == iteration && !astray && !settled;
        last[trial] = energy;
        if (moving)
            used[trial] = iteration + 1;
        moves[trial] = moving;
    }
}

// What next_gains starts from; it lengthens the first step, too.
template <typename T, typename U>
static inline void start_lengths(T dt, U tau, double* last, double* length, int32_t* used, int width)
{
    std::fill_n(last, width, HIGHEST);
    std::fill_n(length, width, dt / tau / LENGTHENING);
    std::fill_n(used, width, 0);
}

// The gain of a trial's step: longer after one that lowered its energy, half the way back after one that did not,
// 0 once its energy changed by less than `tolerance` times itself.
static inline double next_gain(double energy, double rounding, double tolerance, int iteration, double* last,
                               double* length, int* used)
{
    if (*used != iteration)
        return 0;
    const bool rose = !has_not_risen(energy, *last, rounding);
    if (!rose && tolerance > 0 && *last - energy <= tolerance * std::fabs(*last))
        return 0;
    *used = iteration + 1;
    *length = rose ? *length / 2 : std::min(*length * LENGTHENING, LONGEST);
    *last = rose ? *last : energy;
    return rose ? -*length : *length;
}

static inline void next_gains(int iteration, double tolerance, double rounding, const double* loss, const double* hidden,
                              double* last, double* length, int32_t* used, double* gains, int width)
{
    for (int trial = 0; trial < width; trial++)
        gains[trial] = next_gain(loss[trial] + hidden[trial], rounding, tolerance, iteration, last + trial,
                                 length + trial, used + trial);
}

// The gains after the last step: it is taken back where the energy rose.
static inline void last_gains(double rounding, const double* loss, const double* hidden, const double* last,
                              const double* length, const int32_t*, double* gains, int width)
{
    for (int trial = 0; trial < width; trial++)
        gains[trial] = has_not_risen(loss[trial] + hidden[trial], last[trial], rounding) ? 0 : -length[trial];
}
