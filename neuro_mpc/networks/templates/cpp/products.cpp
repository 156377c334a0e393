// The products of panels.h, and what packs for them, for numbers of the type REAL; phase.cpp calls them.
#include "panels.h"

template void pack_weights(bool, int, int, const REAL*, REAL*);
template void packed_product(int64_t, int, int, const REAL*, const REAL*, bool, REAL*);
