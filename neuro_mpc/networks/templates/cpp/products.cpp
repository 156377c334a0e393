// The products of panels.h, for numbers of the type REAL; phase.cpp calls them.
#include "panels.h"

template void packed_product(int64_t, int, int, const REAL*, const REAL*, bool, REAL*);
