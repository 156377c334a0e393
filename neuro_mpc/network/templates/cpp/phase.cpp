{# A sweep over tiles of trials: matrix products, element-wise blocks and reductions in the given order.
   See neuro_mpc/network/operations.py for what each operation means. #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% macro _array(name) %}{{get_array_name(variables[name])}}{% endmacro %}
{% macro _scalar(name) %}{{_array(name)}}[0]{% endmacro %}
{% macro _real(name) %}{{c_data_type(variables[name].dtype)}}{% endmacro %}
{# first element of a step of a population in the current tile #}
{% macro _at(rows, step) -%}
((int64_t)_first * {{rows.history + rows.steps}} + (int64_t)({{step}} + {{rows.history - rows.first_step}}) * _width) * {{rows.units}}
{%- endmacro %}

{% macro _forward(op, visit) %}
{% set s = op.span %}
{
    {% if visit == 'step' %}
    if (_step >= {{s.first}} && _step < {{s.stop}})
    {% endif %}
    {% set step = '_step' if visit == 'step' else s.first %}
    {% set count = 1 if visit == 'step' else s.stop - s.first %}
    packed_product((int64_t){{count}} * _width, {{s.post.units}}, {{s.pre.units}},
        {{_array(op.source)}} + {{_at(s.pre, step ~ ' - ' ~ s.delay)}}, {{_array(op.weights)}}, {{1 if op.accumulate else 0}},
        {{_array(op.target)}} + {{_at(s.post, step)}});
}
{% endmacro %}

{% macro _pack(op, visit) %}
{% set k, n = (op.pre, op.post) if op.forward else (op.post, op.pre) %}
pack_weights({{1 if op.forward else 0}}, {{k}}, {{n}}, {{_array(op.source)}}, {{_array(op.target)}});
{% endmacro %}

{% macro _feedback(op, visit) %}
{% set s = op.span %}
{
    {% if visit == 'step' %}
    if (_step + {{s.delay}} >= {{s.first_within}} && _step + {{s.delay}} < {{s.stop}})
    {% endif %}
    {% set step = '_step + ' ~ s.delay if visit == 'step' else s.first_within %}
    {% set count = 1 if visit == 'step' else s.stop - s.first_within %}
    {% if visit == 'step' or count > 0 %}
    packed_product((int64_t){{count}} * _width, {{s.pre.units}}, {{s.post.units}},
        {{_array(op.source)}} + {{_at(s.post, step)}}, {{_array(op.weights)}}, {{1 if op.accumulate else 0}},
        {{_array(op.target)}} + {{_at(s.pre, step ~ ' - ' ~ s.delay)}});
    {% else %}
    ;
    {% endif %}
}
{% endmacro %}

{% macro _hebbian_sum(op, visit) %}
{% set s = op.span %}
sum_over_rows({{s.post.units}}, {{s.pre.units}}, (int64_t){{s.stop - s.first}} * _width,
    {{_array(op.post)}} + {{_at(s.post, s.first)}}, {{_array(op.pre)}} + {{_at(s.pre, s.first - s.delay)}}, _first > 0,
    {{_array(op.target)}});
{% endmacro %}

{% macro _gather(op, visit) %}
{% set s = op.span %}
{
    {% if visit == 'step' %}
    if (_step >= {{s.first}} && _step < {{s.stop}})
    {% endif %}
    {% set step = '_step' if visit == 'step' else s.first %}
    {% set count = 1 if visit == 'step' else s.stop - s.first %}
    gather_columns({{_array(op.weights)}}, {{s.post.units}}, {{op.pre}}, {{_array(op.symbols)}} + {{_at(s.pre, step ~ ' - ' ~ s.delay)}},
        (int64_t){{count}} * _width, {{1 if op.accumulate else 0}}, {{_array(op.target)}} + {{_at(s.post, step)}});
}
{% endmacro %}

{% macro _scatter(op, visit) %}
{% set s = op.span %}
scatter_columns({{_array(op.post)}} + {{_at(s.post, s.first)}}, {{s.post.units}}, {{op.pre}},
    {{_array(op.symbols)}} + {{_at(s.pre, s.first - s.delay)}}, (int64_t){{s.stop - s.first}} * _width, _first > 0,
    {{_array(op.target)}});
{% endmacro %}

{% macro _one_hot(op, visit) %}
one_hot_rows({{_array(op.symbols)}} + {{_at(op.symbol_rows, op.rows.first_step)}}, (int64_t){{op.rows.steps}} * _width,
    {{op.rows.units}}, {{_array(op.target)}} + {{_at(op.rows, op.rows.first_step)}});
{% endmacro %}

{% macro _steps_of(rows, visit) %}
{# opens a block with the first element and the number of rows of the steps that are visited #}
{% if visit == 'step' %}
if (_step >= {{rows.first_step}})
{% endif %}
{
    const int64_t _begin = {{_at(rows, '_step' if visit == 'step' else rows.first_step)}};
    const int64_t _rows = (int64_t)_width * {{1 if visit == 'step' else rows.steps}};
{% endmacro %}

{% macro _block(op, visit) %}
{{_steps_of(op.rows, visit)}}
    const size_t _vectorisation_idx = -1;
    {{'\n'.join(scalar_code[op.block])|indent(4)}}
    const int64_t _end = _begin + _rows * {{op.rows.units}};
    #pragma GCC ivdep
    for (int64_t _idx = _begin; _idx < _end; _idx++)
    {
        {{'\n'.join(vector_code[op.block])|indent(8)}}
    }
}
{% endmacro %}

{% macro _zero(op, visit) %}
{% if visit == 'step' %}
if (_step < {{op.reached[0]}} || _step >= {{op.reached[1]}})
    std::fill_n({{_array(op.target)}} + {{_at(op.rows, '_step')}}, (int64_t)_width * {{op.rows.units}}, 0);
{% else %}
{% for start, stop in op.unreached %}
std::fill_n({{_array(op.target)}} + {{_at(op.rows, start)}}, (int64_t){{stop - start}} * _width * {{op.rows.units}}, 0);
{% endfor %}
{% endif %}
{% endmacro %}

{% macro _carry(op, visit) %}
{
    {{_real(op.target)}}* const _history = {{_array(op.target)}} + {{_at(op.rows, op.rows.first_step - op.rows.history)}};
    const int64_t _count = (int64_t){{op.rows.history}} * _width * {{op.rows.units}};
    if ({{_scalar('carrying')}})
        std::copy_n({{_array(op.target)}} + {{_at(op.rows, op.rows.first_step + op.rows.steps - op.rows.history)}}, _count, _history);
    else
        std::fill_n(_history, _count, 0);
}
{% endmacro %}

{% macro _noise(op, visit) %}
if ({{_scalar('drawing')}})
    for (int _t = 0; _t < {{op.rows.steps}}; _t++)
        for (int _b = 0; _b < _width; _b++)
            fill_normal({{_array(op.target)}} + {{_at(op.rows, '_t + ' ~ op.rows.first_step)}} + (int64_t)_b * {{op.rows.units}}, {{op.rows.units}},
                (uint32_t)((_t * _trials + _first + _b) * {{op.rows.units}}u), (uint32_t){{_scalar('noise_counter')}},
                (uint32_t){{_scalar('noise_key')}} ^ {{op.stream}}u, {{_scalar('noise_scale')}});
{% endmacro %}

{% macro _softmax(op, visit) %}
{{_steps_of(op.rows, visit)}}
    softmax_rows({{_array(op.source)}} + _begin, {{_array(op.target)}} + _begin, _rows, {{op.rows.units}});
}
{% endmacro %}

{% macro _energy(op, visit) %}
{
    {% if op.first %}
    std::fill_n({{_array(op.target)}} + _first, _width, 0);
    {% endif %}
{{_steps_of(op.rows, visit)}}
    {% if op.form == 'softmax' %}
    add_cross_entropy({{_array(op.source)}} + _begin, {{_array(op.label)}} + _begin, _rows, {{op.rows.units}}, {{_array(op.target)}} + _first, _width);
    {% else %}
    add_half_square({{_array(op.source)}} + _begin, _rows, {{op.rows.units}}, {{_array(op.target)}} + _first, _width);
    {% endif %}
}
}
{% endmacro %}

{% macro _settle(op, visit) %}
{
    bool _any = false;
    double _limited = 0;
    for (int _b = 0; _b < _width; _b++)
        _limited += {{_array(op.limited)}}[_first + _b];
    const bool _astray = _limited > {{_scalar('energy_limit')}};
    for (int _b = 0; _b < _width; _b++)
    {
        if (_iteration == 0)
            {{_array(op.used)}}[_first + _b] = 0;
        double _energy = 0;
        {% for name in op.energies %}
        _energy += {{_array(name)}}[_first + _b];
        {% endfor %}
        double& _last = {{_array(op.last)}}[_first + _b];
        const bool _was_moving = {{_array(op.used)}}[_first + _b] == _iteration;
        const bool _moves = _was_moving && !_astray && !({{_scalar('tolerance')}} > 0 && _iteration > 0 && std::fabs(_last - _energy) <= {{_scalar('tolerance')}} * std::fabs(_last));
        _last = _energy;
        if (_moves)
            {{_array(op.used)}}[_first + _b] = _iteration + 1;
        _any = _any || _moves;
        if (_iteration == 0 || _was_moving != _moves)
        {
            {% for name, rows in op.moving %}
            for (int _t = 0; _t < {{rows.steps}}; _t++)
                std::fill_n({{_array(name)}} + {{_at(rows, '_t + ' ~ rows.first_step)}} + (int64_t)_b * {{rows.units}}, {{rows.units}}, _moves ? 1 : 0);
            {% endfor %}
        }
    }
    if (!_any)
        break;
}
{% endmacro %}

{% macro _backtrack(op, visit) %}
{
    bool _any = false;
    for (int _b = 0; _b < _width; _b++)
    {
        double& _last = {{_array(op.last)}}[_first + _b];
        double& _length = {{_array(op.length)}}[_first + _b];
        int32_t& _used = {{_array(op.used)}}[_first + _b];
        {% if op.stage == 'start' %}
        _last = HIGHEST, _length = {{_scalar('inference_dt')}} / {{op.tau}} / LENGTHENING, _used = 0;
        {% else %}
        double _energy = 0;
        {% for name in op.energies %}
        _energy += {{_array(name)}}[_first + _b];
        {% endfor %}
        {% if op.stage == 'end' %}
        const double _gain = has_not_risen(_energy, _last, {{op.rounding}}) ? 0 : -_length;
        {% else %}
        const double _gain = next_gain(_energy, {{op.rounding}}, {{_scalar('tolerance')}}, _iteration, &_last, &_length, &_used);
        {% endif %}
        _any = _any || _gain;
        {% for name, rows in op.gains %}
        for (int _t = 0; _t < {{rows.steps}}; _t++)
            std::fill_n({{_array(name)}} + {{_at(rows, '_t + ' ~ rows.first_step)}} + (int64_t)_b * {{rows.units}}, {{rows.units}}, _gain);
        {% endfor %}
        {% endif %}
    }
    {% if op.stage == 'step' %}
    if (!_any)
        break;
    {% endif %}
}
{% endmacro %}

{% macro _choose(op, visit) %}
if (_step > {{op.output.first_step}})
    {% if op.symbolic %}
    choose_symbols({{_array(op.source)}} + {{_at(op.output, '_step - 1')}}, {{op.output.units}},
        {{_array(op.target)}} + {{_at(op.stimulus, '_step')}}, _width);
    {% else %}
    choose_rows({{_array(op.source)}} + {{_at(op.output, '_step - 1')}}, {{op.output.units}},
        {{_array(op.target)}} + {{_at(op.stimulus, '_step')}}, {{op.stimulus.units}}, _width);
    {% endif %}
{% endmacro %}

{% macro _clip(op, visit) %}
clip_{{op.norm}}_norm({{_array(op.target)}}, {{op.post}}, {{op.pre}}, {{op.limit}});
{% endmacro %}

{% macro _execute(section, visit) %}
{% for op in section.operations %}
{{ {'forward': _forward, 'pack': _pack, 'feedback': _feedback, 'hebbian_sum': _hebbian_sum,
    'gather': _gather, 'scatter': _scatter, 'one_hot': _one_hot, 'block': _block, 'zero': _zero,
    'carry': _carry, 'noise': _noise, 'softmax': _softmax, 'energy': _energy, 'settle': _settle,
    'backtrack': _backtrack, 'choose': _choose, 'clip': _clip, 'section': _section}[op.kind](op, visit) }}
{% endfor %}
{% endmacro %}

{% macro _section(section, visit) %}
{% if section.when %}
if ({{_scalar(section.when)}})
{% elif section.unless %}
if (!{{_scalar(section.unless)}})
{% endif %}
{
    {% if section.loop == 'once' %}
    {{_execute(section, 'all')}}
    {% elif section.loop == 'repeat' %}
    const int _iterations = {{_scalar(section.count)}};
    for (int _iteration = 0; _iteration < _iterations; _iteration++)
    {
        {{_execute(section, 'all')}}
    }
    {% else %}
    {% if section.loop == 'forward' %}
    for (int _step = 0; _step < {{steps}}; _step++)
    {% else %}
    for (int _step = {{steps - 1}}; _step >= 0; _step--)
    {% endif %}
    {
        {{_execute(section, 'step')}}
    }
    {% endif %}
}
{% endmacro %}

{% block extra_headers %}
#include <math.h>
#include <algorithm>
#include "panels.h"
#include "sums.h"
// compiled once, with messages.cpp
extern template void packed_product(int64_t, int, int, const float*, const float*, bool, float*);
extern template void packed_product(int64_t, int, int, const double*, const double*, bool, double*);
#include "kernels.h"
{% endblock %}

{% block maincode %}
if (!{{_scalar(condition)}})
    return;
const int _trials = {{tiling.trials}};
static const int _tiles[][2] = { {% for first, width in tiling.tiles %}{ {{first}}, {{width}} }, {% endfor %}};
{% if parallel %}
{{openmp_pragma('parallel-static')}}
{% endif %}
for (int _tile = 0; _tile < {{tiling.tiles|length}}; _tile++)
{
    const int _first = _tiles[_tile][0];
    if (_first >= _trials - {{_scalar('idle_trials')}} && _first > 0)
        continue;
    const int _width = _tiles[_tile][1];
    {% for section in sections %}
    {{_section(section, 'all')}}
    {% endfor %}
}
{% endblock %}
