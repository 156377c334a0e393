#include "common.h"

COMMON_KERNELS(, REAL)
