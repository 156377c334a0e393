{# A phase in C++: its statements on one tile of trials after the other, tiles by threads. #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
#include <math.h>
#include <algorithm>
#include "panels.h"
#include "sums.h"
// compiled once for all programs, with products.cpp
extern template void pack_weights(bool, int, int, const float*, float*);
extern template void pack_weights(bool, int, int, const double*, double*);
extern template void packed_product(int64_t, int, int, const float*, const float*, bool, float*);
extern template void packed_product(int64_t, int, int, const double*, const double*, bool, double*);
#include "kernels.h"
{% endblock %}

{% block maincode %}
if (!{{get_array_name(variables[condition])}}[0])
    return;
static const int64_t _tiles[][2] = { {% for first, width in tiling.tiles %}{ {{first}}, {{width}} }, {% endfor %}};
{% if parallel %}
{{openmp_pragma('parallel-static')}}
{% endif %}
for (int _tile = 0; _tile < {{tiling.tiles|length}}; _tile++)
{
    const int64_t _first = _tiles[_tile][0], _width = _tiles[_tile][1];
    if (_first > 0 && _first >= {{tiling.trials}} - {{get_array_name(variables['idle_trials'])}}[0])
        continue;
    double _per_trial[{{tiling.width}}];
    {{printer(scalar_code, vector_code, variables, get_array_name).statements(statements) | autoindent}}
}
{% endblock %}
