// Sums over rows: C (m × n) = [C] + Aᵀ B, A (rows × m), B (rows × n): in place, or of few rows or units, and of
// large matrices, by the OpenBLAS of the package scipy-openblas32.
#pragma once
#include "cblas.h"
#include "row_sums.h"

static inline void blas_sum_over_rows(int m, int n, int rows, const float* a, const float* b, float old, float* c)
{
    scipy_cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, rows, 1.0f, a, m, b, n, old, c, n);
}

static inline void blas_sum_over_rows(int m, int n, int rows, const double* a, const double* b, double old, double* c)
{
    scipy_cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, rows, 1.0, a, m, b, n, old, c, n);
}

template <typename T>
static inline void sum_over_rows(int m, int n, int rows, const T* a, const T* b, bool accumulate, T* c)
{
    const int all = rows;
    leave_silent_rows(m, n, rows, a, b);
    if (rows == 0 && all > 0 && !accumulate)
        std::fill_n(c, (int64_t)m * n, (T)0);
    else if (sums_in_place<T>(m, n, rows))
        sum_in_place(m, n, rows, a, b, accumulate, c);
    else if (rows > 0)
        blas_sum_over_rows(m, n, rows, a, b, (T)accumulate, c);
}
