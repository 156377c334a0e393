// Row-wise operations of a sweep: noise, softmax, energies, spectral norm (C++ standalone and Cython).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

static const double HIGHEST = 1e300, LENGTHENING = 1.2, LONGEST = 1;

// Whether an energy is a number (the compiler is told to expect nothing else) and not above the last one.
static inline bool has_not_risen(double energy, double last, double rounding)
{
    uint64_t bits;
    std::memcpy(&bits, &energy, sizeof bits);
    return energy <= last + rounding * std::fabs(last) && (bits >> 52 & 2047) != 2047;
}

// Integer powers of single-precision numbers stay in single precision.
static inline float pow(float x, int exponent) { return __builtin_powif(x, exponent); }

// Standard normal numbers from a counter: Philox 2x32-10 (Salmon et al. 2011), then Box-Muller.
template <typename T>
static inline T counter_normal(uint32_t position, uint32_t counter, uint32_t key)
{
    uint32_t x0 = position, x1 = counter;
    for (int round = 0; round < 10; round++)
    {
        const uint64_t product = (uint64_t)0xD256D193u * x0;
        x0 = (uint32_t)(product >> 32) ^ key ^ x1;
        x1 = (uint32_t)product;
        key += 0x9E3779B9u;
    }
    const T u = ((T)x0 + (T)0.5) * (T)2.3283064365386963e-10;   // (0, 1]
    const T angle = (T)(int32_t)x1 * (T)1.4629180792671596e-09; // 2π / 2³², in (−π, π)
    return sqrt((T)-2 * log(u)) * cos(angle);
}

template <typename T>
static inline void fill_normal(T* target, int count, uint32_t position, uint32_t counter, uint32_t key, T scale)
{
    for (int i = 0; i < count; i++)
        target[i] = scale * counter_normal<T>(position + (uint32_t)i, counter, key);
}

// Columns of a (post × pre) matrix taken together, so that a row of the target and of the matrix stay in cache.
static const int COLUMN_BLOCK = 16;

// target (rows × post) = [target] + the column of each row's symbol; nothing for a negative one.
template <typename T>
static inline void gather_columns(const T* weights, int post, int pre, const int32_t* symbols, int64_t rows,
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
static inline void scatter_columns(const T* source, int post, int pre, const int32_t* symbols, int64_t rows,
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

// energy[trial] += ½ Σ e²; rows run over steps, then trials.
template <typename T>
static inline void add_half_square(const T* source, int64_t rows, int units, double* energy, int width)
{
    for (int64_t row = 0; row < rows; row++, source += units)
    {
        T sum = 0;
        for (int i = 0; i < units; i++)
            sum += source[i] * source[i];
        energy[row % width] += 0.5 * (double)sum;
    }
}

// energy[trial] −= Σ label · log softmax(source)
template <typename T>
static inline void add_cross_entropy(const T* source, const T* label, int64_t rows, int units, double* energy, int width)
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
        energy[row % width] += (double)total * std::log((double)sum) - (double)match;
    }
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
static inline void choose_symbols(const T* output, int classes, int32_t* symbols, int rows)
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

// Scale a (post × pre) matrix to at most `limit` in spectral norm: power iteration on A Aᵀ in double precision.
template <typename T>
static inline void clip_spectral_norm(T* matrix, int post, int pre, double limit)
{
    double frobenius = 0;
    for (int64_t k = 0; k < (int64_t)post * pre; k++)
        frobenius += (double)matrix[k] * matrix[k];
    if (!(frobenius > limit * limit))
        return;
    std::vector<double> left(post), right(pre);
    for (int j = 0; j < pre; j++)
        right[j] = 1.0 + (double)((uint32_t)(j + 1) * 2654435761u >> 8) / 16777216.0;
    double norm = 0;
    for (int round = 0; round < 200; round++)
    {
        double length = 0;
        for (int j = 0; j < pre; j++)
            length += right[j] * right[j];
        length = std::sqrt(length);
        if (length == 0)
            return;
        for (int j = 0; j < pre; j++)
            right[j] /= length;
        double next = 0;
        for (int i = 0; i < post; i++)
        {
            double sum = 0;
            for (int j = 0; j < pre; j++)
                sum += (double)matrix[(int64_t)i * pre + j] * right[j];
            left[i] = sum;
            next += sum * sum;
        }
        next = std::sqrt(next);
        std::fill(right.begin(), right.end(), 0.0);
        for (int i = 0; i < post; i++)
            for (int j = 0; j < pre; j++)
                right[j] += (double)matrix[(int64_t)i * pre + j] * left[i];
        const bool settled = std::fabs(next - norm) <= 1e-9 * next;
        norm = next;
        if (settled)
            break;
    }
    if (norm > limit)
        for (int64_t k = 0; k < (int64_t)post * pre; k++)
            matrix[k] *= limit / norm;
}
