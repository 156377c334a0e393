// Matrix products of a sweep, by the OpenBLAS of the package scipy-openblas32.
#include <cstdint>
#include "cblas.h"

// Row-major C = [C] + A B for single and double precision.
static inline void matrix_product(bool transpose_a, bool transpose_b, int m, int n, int k, const float* a, int lda,
                                  const float* b, int ldb, bool accumulate, float* c, int ldc)
{
    if (m > 0 && k > 0)
        scipy_cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
                          m, n, k, 1.0f, a, lda, b, ldb, accumulate ? 1.0f : 0.0f, c, ldc);
}

static inline void matrix_product(bool transpose_a, bool transpose_b, int m, int n, int k, const double* a, int lda,
                                  const double* b, int ldb, bool accumulate, double* c, int ldc)
{
    if (m > 0 && k > 0)
        scipy_cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
                          m, n, k, 1.0, a, lda, b, ldb, accumulate ? 1.0 : 0.0, c, ldc);
}
