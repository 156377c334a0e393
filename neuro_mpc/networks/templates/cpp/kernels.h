// Kernels of the operations of a phase, for C++ standalone and Cython; neuro_mpc/networks/kernels has the same ones for
// NumPy, with the same parameters. Arrays begin where a kernel is to work; `width` is the number of trials of a tile, whose
// rows run over steps, then trials.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
#include <math.h> // after the others: functions of single precision by their plain names

// Compiled for single precision, a literal without a suffix is single: the highest energy would be infinite.
static const double HIGHEST = 1e300L, LENGTHENING = 1.2, LONGEST = 1;

// Whether a number is one, and finite: the compiler is told to expect nothing else.
static inline bool is_finite(double number)
{
    uint64_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return (bits >> 52 & 2047) != 2047;
}

// Whether an energy is a number and not above the last one.
static inline bool has_not_risen(double energy, double last, double rounding)
{
    return energy <= last + rounding * std::fabs(last) && is_finite(energy);
}

// Integer powers of single-precision numbers stay in single precision.
static inline float pow(float x, int exponent) { return __builtin_powif(x, exponent); }

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

// target (rows × units) = [target] + source ⊙ weights (units)
template <typename T>
static inline void scale_rows(int64_t rows, int units, const T* source, const T* weights, bool accumulate, T* target)
{
    for (int64_t row = 0; row < rows; row++, source += units, target += units)
        if (accumulate)
            for (int i = 0; i < units; i++)
                target[i] += source[i] * weights[i];
        else
            for (int i = 0; i < units; i++)
                target[i] = source[i] * weights[i];
}

// target (rows, units) = [target] + source
template <typename T>
static inline void copy_rows(int64_t rows, int units, const T* source, bool accumulate, T* target)
{
    const int64_t count = rows * units;
    if (accumulate)
        for (int64_t i = 0; i < count; i++)
            target[i] += source[i];
    else
        std::copy(source, source + count, target);
}

// target (units) = [target] + Σ over rows of a ⊙ b
template <typename T>
static inline void sum_unit_products(int units, int64_t rows, const T* a, const T* b, bool accumulate, T* target)
{
    if (!accumulate)
        std::fill_n(target, units, (T)0);
    for (int64_t row = 0; row < rows; row++, a += units, b += units)
        for (int i = 0; i < units; i++)
            target[i] += a[i] * b[i];
}

// Columns of a (post × pre) matrix taken together, so that a row of the target and of the matrix stay in cache.
static const int COLUMN_BLOCK = 16;

// target (units) = [target] + Σ over rows of source²
template <typename T>
static inline void sum_squares(int units, int64_t rows, const T* source, bool accumulate, T* target)
{
    for (int first = 0; first < units; first += COLUMN_BLOCK)
    {
        const int count = std::min(COLUMN_BLOCK, units - first);
        double sums[COLUMN_BLOCK] = {0};
        for (int64_t row = 0; row < rows; row++)
            for (int i = 0; i < count; i++)
            {
                const double value = source[row * units + first + i];
                sums[i] += value * value;
            }
        for (int i = 0; i < count; i++)
            target[first + i] = (accumulate ? (double)target[first + i] : 0) + sums[i];
    }
}

// target (rows × units) = source (units) on every row.
template <typename T>
static inline void fill_rows(int units, int64_t rows, const T* source, T* target)
{
    for (int64_t row = 0; row < rows; row++, target += units)
        std::copy_n(source, units, target);
}

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

// --- influences of synapses, of one trial at one step

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

// Scale a matrix to at most `limit` in Frobenius norm, summed in double precision.
template <typename T>
static inline void clip_frobenius_norm(T* matrix, int post, int pre, double limit)
{
    const int64_t size = (int64_t)post * pre;
    double sum = 0;
    for (int64_t k = 0; k < size; k++)
        sum += (double)matrix[k] * matrix[k];
    if (sum > limit * limit)
    {
        const T scale = limit / std::sqrt(sum);
        for (int64_t k = 0; k < size; k++)
            matrix[k] *= scale;
    }
}

// Scale a matrix to at most `limit` in its largest entry.
template <typename T>
static inline void clip_largest_norm(T* matrix, int post, int pre, double limit)
{
    const int64_t size = (int64_t)post * pre;
    double largest = 0;
    for (int64_t k = 0; k < size; k++)
        largest = std::max(largest, std::fabs((double)matrix[k]));
    if (largest > limit)
    {
        const T scale = limit / largest;
        for (int64_t k = 0; k < size; k++)
            matrix[k] *= scale;
    }
}

static const double NEGLIGIBLE = 1e-15L; // of what it is added to, in double precision

// What the square of a norm may rise in the last round of finding it, relative to itself.
template <typename T> static const double SETTLED = sizeof(T) == sizeof(float) ? 1e-7L : 2e-9L;

// The largest eigenvalue of a symmetric tridiagonal matrix of these squared entries beside its diagonal, from a bound that is
// not below it: Newton's method comes nearer from above only.
static inline double largest_eigenvalue(const std::vector<double>& diagonal, const std::vector<double>& squares, double above)
{
    for (;;)
    {
        double pivot = 1, slope = 0, sum = 0;
        for (size_t i = 0; i < diagonal.size(); i++)
        {
            const double ratio = i ? squares[i - 1] / pivot : 0;
            slope = 1 + ratio * slope / pivot;
            pivot = above - diagonal[i] - ratio;
            if (pivot <= 0)
                return above; // as near as rounding allows
            sum += slope / pivot;
        }
        if (1 / sum <= NEGLIGIBLE * above)
            return above;
        above -= 1 / sum;
    }
}

// target (pre) += scale² Aᵀ A x of some rows of A; xᵀ of what is added is returned. Both passes over the rows are in cache.
template <int ROWS, typename T>
static inline double add_square_of_rows(const T* matrix, int pre, T scale, const T* x, T* target)
{
    T passed[ROWS] = {};
    for (int j = 0; j < pre; j++)
        #pragma GCC unroll 4
        for (int row = 0; row < ROWS; row++)
            passed[row] += matrix[(int64_t)row * pre + j] * x[j];
    double square = 0;
    for (int row = 0; row < ROWS; row++)
    {
        passed[row] *= scale;
        square += (double)passed[row] * passed[row];
        passed[row] *= scale;
    }
    for (int j = 0; j < pre; j++)
    {
        T sum = target[j];
        #pragma GCC unroll 4
        for (int row = 0; row < ROWS; row++)
            sum += matrix[(int64_t)row * pre + j] * passed[row];
        target[j] = sum;
    }
    return square;
}

template <typename T>
static inline double squared_length(const std::vector<T>& x)
{
    double sum = 0;
    for (const T each : x)
        sum += (double)each * each;
    return sum;
}

// Scale a (post × pre) matrix A to at most `limit` in spectral norm, found by Lanczos's method on Aᵀ A, of which A is first
// scaled to a Frobenius norm of 1. A matrix that is not finite has no norm, and stays as it is.
template <typename T>
void clip_spectral_norm(T* matrix, int post, int pre, double limit)
{
    double frobenius = 0;
    for (int64_t k = 0; k < (int64_t)post * pre; k++)
        frobenius += (double)matrix[k] * matrix[k];
    if (!is_finite(frobenius) || frobenius <= limit * limit)
        return;
    const T scale = 1 / std::sqrt(frobenius);
    std::vector<T> before(pre), right(pre), next(pre);
    std::vector<double> diagonal, squares;
    double square = 0, largest = 0;
    for (int j = 0; j < pre; j++)
        right[j] = (T)1 + (T)((uint32_t)(j + 1) * 2654435761u >> 8) / (T)16777216;
    double length = squared_length(right);
    for (int round = 0; round < 200; round++)
    {
        const T shrinking = 1 / std::sqrt(length);
        for (int j = 0; j < pre; j++)
            right[j] *= shrinking;
        std::fill(next.begin(), next.end(), (T)0);
        double entry = 0;
        int row = 0;
        for (; row + 4 <= post; row += 4)
            entry += add_square_of_rows<4>(matrix + (int64_t)row * pre, pre, scale, right.data(), next.data());
        for (; row < post; row++)
            entry += add_square_of_rows<1>(matrix + (int64_t)row * pre, pre, scale, right.data(), next.data());
        const T of_right = entry, of_before = std::sqrt(square);
        for (int j = 0; j < pre; j++)
            next[j] -= of_right * right[j] + of_before * before[j];
        if (round)
            squares.push_back(square);
        diagonal.push_back(entry);
        // Where a row and a column are added, the eigenvalue rises at most to that of the old one and the new entries.
        const double half = (largest - entry) / 2;
        const double found = largest_eigenvalue(diagonal, squares, (largest + entry) / 2 + std::sqrt(half * half + square));
        const bool settled = found - largest <= SETTLED<T> * found;
        largest = found;
        length = square = squared_length(next);
        if (settled || square <= NEGLIGIBLE * largest * largest)
            break;
        before.swap(right);
        right.swap(next);
    }
    const double norm = std::sqrt(frobenius * largest);
    if (norm > limit)
    {
        const T clipping = limit / norm;
        for (int64_t k = 0; k < (int64_t)post * pre; k++)
            matrix[k] *= clipping;
    }
}
