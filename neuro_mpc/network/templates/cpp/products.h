// Matrix products of a sweep, by the OpenBLAS of the package scipy-openblas32.
#include <algorithm>
#include <cstdint>
#include "cblas.h"

static inline void blas_product(CBLAS_TRANSPOSE of_a, CBLAS_TRANSPOSE of_b, int m, int n, int k, const float* a, int lda,
                                const float* b, int ldb, float old, float* c, int ldc)
{
    scipy_cblas_sgemm(CblasRowMajor, of_a, of_b, m, n, k, 1.0f, a, lda, b, ldb, old, c, ldc);
}

static inline void blas_product(CBLAS_TRANSPOSE of_a, CBLAS_TRANSPOSE of_b, int m, int n, int k, const double* a, int lda,
                                const double* b, int ldb, double old, double* c, int ldc)
{
    scipy_cblas_dgemm(CblasRowMajor, of_a, of_b, m, n, k, 1.0, a, lda, b, ldb, old, c, ldc);
}

// OpenBLAS does not copy the factors of a product of so many multiplications: with small weights some rows at a time
// are faster than all at once.
static const int64_t SMALL_PRODUCT = 1000000, EFFICIENT_ROWS = 64;

static inline int rows_at_once(int m, int n, int k)
{
    const int64_t rows = SMALL_PRODUCT / ((int64_t)n * k);
    return rows < EFFICIENT_ROWS ? m : (int)std::min<int64_t>(m, rows / 16 * 16);
}

// Row-major C = [C] + A B for single and double precision.
template <typename T>
static inline void matrix_product(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, int lda,
                                  const T* b, int ldb, bool accumulate, T* c, int ldc)
{
    if (m <= 0 || k <= 0)
        return;
    const int rows = transpose_a ? m : rows_at_once(m, n, k);
    for (int64_t row = 0; row < m; row += rows)
        blas_product(transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
                     std::min<int64_t>(rows, m - row), n, k, a + row * lda, lda, b, ldb, accumulate, c + row * ldc, ldc);
}
