// What is compiled once for the programs of all circuits: products, sums, noise and clipping. common.cpp defines it for
// one type of numbers, and a phase declares it for both.
#pragma once
#include "packed_products.h"
#include "row_sums.h"
#include "kernels.h"

#define COMMON_KERNELS(DECLARED, T)                                                                                    \
    DECLARED template void pack_weights(bool, int, int, const T*, T*);                                                 \
    DECLARED template void packed_product(int64_t, int, int, const T*, const T*, bool, T*);                            \
    DECLARED template void leave_silent_rows(int, int, int&, const T*&, const T*&);                                    \
    DECLARED template void sum_in_place(int, int, int, const T*, const T*, bool, T*);                                  \
    DECLARED template void counter_normals(uint32_t, int, uint32_t, uint32_t, T, T*);                                  \
    DECLARED template void fill_normal(T*, int, int, int, int, int, int, int32_t, int32_t, int, T);                    \
    DECLARED template void clip_spectral_norm(T*, int, int, double);
