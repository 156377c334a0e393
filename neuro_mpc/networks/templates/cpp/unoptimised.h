// Included before a long file that computes nothing. Without optimisation by an option, GCC could not use headers.h.gch.
#pragma GCC optimize("O0")
