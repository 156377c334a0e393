// What a compiler that is told to expect finite numbers, of one precision, would get wrong.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <math.h> // functions of single precision by their plain names

// Whether a number is one, and finite: the compiler is told to expect nothing else.
static inline bool is_finite(double number)
{
    uint64_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return (bits >> 52 & 2047) != 2047;
}

// Integer powers of single-precision numbers stay in single precision.
static inline float pow(float x, int exponent) { return __builtin_powif(x, exponent); }
