{# A phase in C++: its statements on one tile of trials after the other, tiles by threads. Phases are compiled together:
   what supports the code of each lies in a namespace of its own. #}
{# ALLOWS_SCALAR_WRITE #}
{% macro cpp_file() %}
#include "code_objects/{{codeobj_name}}.h"
#include "objects.h"
#include "brianlib/common_math.h"
#include "brianlib/stdint_compat.h"
#include <math.h>
#include <algorithm>
#include "sums.h"
#include "common.h"
{% for name in user_headers | sort %}
#include {{name}}
{% endfor %}

COMMON_KERNELS(extern, float)
COMMON_KERNELS(extern, double)

namespace of_{{codeobj_name}} { namespace {
    {{support_code_lines|autoindent}}
} }

{{hashdefine_lines|autoindent}}

{% set print = printer(scalar_code, vector_code, variables, get_array_name, pointers=pointers_lines) %}
{% set printed = print.statements(statements) %}
{% for function in print.functions %}
namespace of_{{codeobj_name}} { namespace {
    {{function | autoindent}}
} }
{% endfor %}

void _run_{{codeobj_name}}()
{
    using namespace brian;
    using namespace of_{{codeobj_name}};
    %CONSTANTS%
    {{pointers_lines|autoindent}}

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
        {{printed | autoindent}}
    }
}
{% endmacro %}

{% macro h_file() %}
#pragma once
void _run_{{codeobj_name}}();
{% endmacro %}

{# There is nothing to do before or after a run, which Brian2 finds out by these words. #}
{% macro before_run_cpp_file() %}
// EMPTY_CODE_BLOCK
{% endmacro %}

{% macro after_run_cpp_file() %}
// EMPTY_CODE_BLOCK
{% endmacro %}
