// Kernels of the operations of a phase, for C++ standalone and Cython; neuro_mpc/networks/kernels has the same ones for
// NumPy, with the same parameters, in files of the same names. Arrays begin where a kernel is to work; `width` is the number
// of trials of a tile, whose rows run over steps, then trials.
#pragma once
#include "kernels/clipping.h"
#include "kernels/influences.h"
#include "kernels/noise.h"
#include "kernels/numbers.h"
#include "kernels/products.h"
#include "kernels/rows.h"
#include "kernels/settling.h"
#include "kernels/symbols.h"
