// Sums over rows: C (m × n) = [C] + Aᵀ B, A (rows × m), B (rows × n), by the OpenBLAS of the package scipy-openblas32.
#pragma once
#include "cblas.h"

static inline void sum_over_rows(int m, int n, int rows, const float* a, const float* b, float old, float* c)
{
    if (rows > 0)
        scipy_cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, rows, 1.0f, a, m, b, n, old, c, n);
}

static inline void sum_over_rows(int m, int n, int rows, const double* a, const double* b, double old, double* c)
{
    if (rows > 0)
        scipy_cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, rows, 1.0, a, m, b, n, old, c, n);
}
