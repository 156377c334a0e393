{# A phase in Cython: its statements on one tile of trials after the other. It shares the kernels of C++ but for sums
   over rows, which are those of the BLAS that SciPy exports to Cython; all loops are compiled. #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}

{% block template_support_code %}
from libc.stdint cimport int64_t
{% if 'sum_over_rows' in kernels %}
from scipy.linalg.cython_blas cimport dgemm, sgemm
{% endif %}

cdef extern from * nogil:
    """
#include "packed_products.h"
#include "kernels.h"
    """
    # C++ knows the types of their parameters.
    bint any_trial(...)
    {% for kernel in kernels if kernel not in ('sum_over_rows', 'any_trial') %}
    void {{kernel}}(...)
    {% endfor %}

{% if 'sum_over_rows' in kernels %}
ctypedef fused _real:
    float
    double

# C (m × n) = [C] + Aᵀ B, A (rows × m), B (rows × n). BLAS takes a row-major matrix for its transpose: it is given
# C' = [C'] + B' A.
cdef void sum_over_rows(int m, int n, int rows, _real* a, _real* b, bint accumulate, _real* c) noexcept nogil:
    cdef char* kept = b"N"
    cdef char* transposed = b"T"
    cdef _real one = 1
    cdef _real old = accumulate
    if rows == 0:
        return
    if _real is float:
        sgemm(kept, transposed, &n, &m, &rows, &one, b, &n, a, &m, &old, c, &n)
    else:
        dgemm(kept, transposed, &n, &m, &rows, &one, b, &n, a, &m, &old, c, &n)
{% endif %}
{% endblock %}

{% block maincode %}
    cdef int64_t _trials, _first, _width, _iteration, _step, _trial
    cdef size_t _begin, _end
    cdef double _per_trial[{{tiling.width}}]

    # Division as in C: what is not finite shows in the energies, as with the other targets.
    with _cython.cdivision(True):
        _trials = max(1, {{tiling.trials}} - {{get_array_name(variables['idle_trials'])}}[0])
        for _first in range(0, _trials if {{get_array_name(variables[condition])}}[0] else 0, {{tiling.width}}):
            _width = min({{tiling.width}}, {{tiling.trials}} - _first)
            {{printer(scalar_code, vector_code, variables, get_array_name).statements(statements) | autoindent}}
{% endblock %}
