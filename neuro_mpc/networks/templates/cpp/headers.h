// What Brian2's programs and our kernels include of the library of C++, which takes longer to read than most of their files;
// then the kernels themselves.
#define _BRIAN_SYNAPSES_H // Brian2's own synapses and their queues of spikes are left out: dense projections have none
#include <algorithm>
#include <atomic>
#include <climits>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>
#include <math.h> // functions of single precision by their plain names, for kernels, too
using namespace std; // as in what is left out
#include "packed_products.h"
#include "kernels.h"
