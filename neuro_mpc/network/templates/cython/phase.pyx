{# The same sweep in Cython; see templates/cpp/phase.cpp, whose row-wise operations it shares.
   Its sums over rows are those of the BLAS that SciPy exports to Cython; all loops are compiled. #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.pyx' %}
{% macro _array(name) %}{{get_array_name(variables[name])}}{% endmacro %}
{% macro _scalar(name) %}{{_array(name)}}[0]{% endmacro %}
{# first element of a step of a population in the current tile #}
{% macro _at(rows, step) -%}
(_first * {{rows.history + rows.steps}} + ({{step}} + {{rows.history - rows.first_step}}) * _width) * {{rows.units}}
{%- endmacro %}

{% macro _forward(op, visit) %}
{% set s = op.span %}
{% set step = '_step' if visit == 'step' else s.first %}
{% set count = 1 if visit == 'step' else s.stop - s.first %}
if {{s.first ~ ' <= _step < ' ~ s.stop if visit == 'step' else 'True'}}:
    packed_product({{count}} * _width, {{s.post.units}}, {{s.pre.units}},
                   {{_array(op.source)}} + {{_at(s.pre, step ~ ' - ' ~ s.delay)}}, {{_array(op.weights)}}, {{op.accumulate}},
                   {{_array(op.target)}} + {{_at(s.post, step)}})
{% endmacro %}

{% macro _pack(op, visit) %}
{% set k, n = (op.pre, op.post) if op.forward else (op.post, op.pre) %}
pack_weights({{op.forward}}, {{k}}, {{n}}, {{_array(op.source)}}, {{_array(op.target)}})
{% endmacro %}

{% macro _feedback(op, visit) %}
{% set s = op.span %}
{% set step = '_step + ' ~ s.delay if visit == 'step' else s.first_within %}
{% set count = 1 if visit == 'step' else s.stop - s.first_within %}
if {{s.first_within ~ ' <= _step + ' ~ s.delay ~ ' < ' ~ s.stop if visit == 'step' else count > 0}}:
    packed_product({{count}} * _width, {{s.pre.units}}, {{s.post.units}},
                   {{_array(op.source)}} + {{_at(s.post, step)}}, {{_array(op.weights)}}, {{op.accumulate}},
                   {{_array(op.target)}} + {{_at(s.pre, step ~ ' - ' ~ s.delay)}})
{% endmacro %}

{% macro _hebbian_sum(op, visit) %}
{% set s = op.span %}
sum_over_rows({{s.post.units}}, {{s.pre.units}}, {{s.stop - s.first}} * _width,
              {{_array(op.post)}} + {{_at(s.post, s.first)}}, {{_array(op.pre)}} + {{_at(s.pre, s.first - s.delay)}}, _first > 0,
              {{_array(op.target)}})
{% endmacro %}

{% macro _gather(op, visit) %}
{% set s = op.span %}
{% set step = '_step' if visit == 'step' else s.first %}
{% set count = 1 if visit == 'step' else s.stop - s.first %}
if {{s.first ~ ' <= _step < ' ~ s.stop if visit == 'step' else 'True'}}:
    gather_columns({{_array(op.weights)}}, {{s.post.units}}, {{op.pre}},
                   {{_array(op.symbols)}} + {{_at(s.pre, step ~ ' - ' ~ s.delay)}}, {{count}} * _width,
                   {{op.accumulate}}, {{_array(op.target)}} + {{_at(s.post, step)}})
{% endmacro %}

{% macro _scatter(op, visit) %}
{% set s = op.span %}
scatter_columns({{_array(op.post)}} + {{_at(s.post, s.first)}}, {{s.post.units}}, {{op.pre}},
                {{_array(op.symbols)}} + {{_at(s.pre, s.first - s.delay)}}, {{s.stop - s.first}} * _width,
                _first > 0, {{_array(op.target)}})
{% endmacro %}

{% macro _one_hot(op, visit) %}
one_hot_rows({{_array(op.symbols)}} + {{_at(op.symbol_rows, op.rows.first_step)}}, {{op.rows.steps}} * _width,
             {{op.rows.units}}, {{_array(op.target)}} + {{_at(op.rows, op.rows.first_step)}})
{% endmacro %}

{# opens an indented part with the first element and the number of rows of the steps that are visited #}
{% macro _steps_of(rows, visit) -%}
if {{'_step >= ' ~ rows.first_step if visit == 'step' else 'True'}}:
    _begin = {{_at(rows, '_step' if visit == 'step' else rows.first_step)}}
    _rows = _width * {{1 if visit == 'step' else rows.steps}}
{%- endmacro %}

{% macro _block(op, visit) %}
{{_steps_of(op.rows, visit)}}
    _vectorisation_idx = 1
    {{scalar_code[op.block]|indent(4)}}
    _end = _begin + _rows * {{op.rows.units}}
    for _idx in range(_begin, _end):
        {{vector_code[op.block]|indent(8)}}
{% endmacro %}

{% macro _zero(op, visit) %}
{% if visit == 'step' %}
if _step < {{op.reached[0]}} or _step >= {{op.reached[1]}}:
    fill_n({{_array(op.target)}} + {{_at(op.rows, '_step')}}, _width * {{op.rows.units}}, 0)
{% else %}
{% for start, stop in op.unreached %}
fill_n({{_array(op.target)}} + {{_at(op.rows, start)}}, {{stop - start}} * _width * {{op.rows.units}}, 0)
{% endfor %}
{% endif %}
{% endmacro %}

{% macro _carry(op, visit) %}
{% set count = op.rows.history ~ ' * _width * ' ~ op.rows.units %}
_begin = {{_at(op.rows, op.rows.first_step - op.rows.history)}}
if {{_scalar('carrying')}}:
    _end = {{_at(op.rows, op.rows.first_step + op.rows.steps - op.rows.history)}}
    copy_n({{_array(op.target)}} + _end, {{count}}, {{_array(op.target)}} + _begin)
else:
    fill_n({{_array(op.target)}} + _begin, {{count}}, 0)
{% endmacro %}

{% macro _noise(op, visit) %}
{% set units = op.rows.units %}
if {{_scalar('drawing')}}:
    for _t in range({{op.rows.steps}}):
        for _b in range(_width):
            _begin = {{_at(op.rows, '_t + ' ~ op.rows.first_step)}} + _b * {{units}}
            fill_normal({{_array(op.target)}} + _begin, {{units}},
                        <uint32_t>((_t * {{tiling.trials}} + _first + _b) * {{units}}),
                        <uint32_t>{{_scalar('noise_counter')}},
                        <uint32_t>{{_scalar('noise_key')}} ^ <uint32_t>{{op.stream}}, {{_scalar('noise_scale')}})
{% endmacro %}

{% macro _softmax(op, visit) %}
{{_steps_of(op.rows, visit)}}
    softmax_rows({{_array(op.source)}} + _begin, {{_array(op.target)}} + _begin, _rows, {{op.rows.units}})
{% endmacro %}

{% macro _energy(op, visit) %}
{% if op.first %}
fill_n({{_array(op.target)}} + _first, _width, 0)
{% endif %}
{{_steps_of(op.rows, visit)}}
    {% if op.form == 'softmax' %}
    add_cross_entropy({{_array(op.source)}} + _begin, {{_array(op.label)}} + _begin, _rows, {{op.rows.units}},
                      {{_array(op.target)}} + _first, <int>_width)
    {% else %}
    add_half_square({{_array(op.source)}} + _begin, _rows, {{op.rows.units}},
                    {{_array(op.target)}} + _first, <int>_width)
    {% endif %}
{% endmacro %}

{% macro _settle(op, visit) %}
_any = False
_limited = 0.0
for _b in range(_width):
    _limited += {{_array(op.limited)}}[_first + _b]
_astray = _limited > {{_scalar('energy_limit')}}
for _b in range(_width):
    if _iteration == 0:
        {{_array(op.used)}}[_first + _b] = 0
    _energy = {% for name in op.energies %}{{' + ' if not loop.first}}{{_array(name)}}[_first + _b]{% endfor %}

    _last = {{_array(op.last)}}[_first + _b]
    {{_array(op.last)}}[_first + _b] = _energy
    _was_moving = {{_array(op.used)}}[_first + _b] == _iteration
    _settled = {{_scalar('tolerance')}} > 0 and _iteration > 0 and fabs(_last - _energy) <= {{_scalar('tolerance')}} * fabs(_last)
    _moves = _was_moving and not _settled and not _astray
    if _moves:
        {{_array(op.used)}}[_first + _b] = _iteration + 1
        _any = True
    if _iteration == 0 or _was_moving != _moves:
        pass
        {% for name, rows in op.moving %}
        for _t in range({{rows.steps}}):
            _begin = {{_at(rows, '_t + ' ~ rows.first_step)}} + _b * {{rows.units}}
            fill_n({{_array(name)}} + _begin, {{rows.units}}, <int>_moves)
        {% endfor %}
if not _any:
    break
{% endmacro %}

{% macro _backtrack(op, visit) %}
_any = False
for _b in range(_width):
    {% if op.stage == 'start' %}
    {{_array(op.last)}}[_first + _b] = HIGHEST
    {{_array(op.length)}}[_first + _b] = <double>{{_scalar('inference_dt')}} / {{op.tau}} / LENGTHENING
    {{_array(op.used)}}[_first + _b] = 0
    {% else %}
    _energy = {% for name in op.energies %}{{' + ' if not loop.first}}{{_array(name)}}[_first + _b]{% endfor %}

    {% if op.stage == 'end' %}
    _gain = 0 if has_not_risen(_energy, {{_array(op.last)}}[_first + _b], {{op.rounding}}) else -{{_array(op.length)}}[_first + _b]
    {% else %}
    _gain = next_gain(_energy, {{op.rounding}}, {{_scalar('tolerance')}}, <int>_iteration,
                      {{_array(op.last)}} + _first + _b, {{_array(op.length)}} + _first + _b, <int*>{{_array(op.used)}} + _first + _b)
    {% endif %}
    _any = _any or _gain != 0
    {% for name, rows in op.gains %}
    for _t in range({{rows.steps}}):
        _begin = {{_at(rows, '_t + ' ~ rows.first_step)}} + _b * {{rows.units}}
        fill_n({{_array(name)}} + _begin, {{rows.units}}, _gain)
    {% endfor %}
    {% endif %}
{% if op.stage == 'step' %}
if not _any:
    break
{% endif %}
{% endmacro %}

{% macro _choose(op, visit) %}
if _step > {{op.output.first_step}}:
    {% if op.symbolic %}
    choose_symbols({{_array(op.source)}} + {{_at(op.output, '_step - 1')}}, {{op.output.units}},
                   {{_array(op.target)}} + {{_at(op.stimulus, '_step')}}, <int>_width)
    {% else %}
    choose_rows({{_array(op.source)}} + {{_at(op.output, '_step - 1')}}, {{op.output.units}},
                {{_array(op.target)}} + {{_at(op.stimulus, '_step')}}, {{op.stimulus.units}}, <int>_width)
    {% endif %}
{% endmacro %}

{% macro _clip(op, visit) %}
clip_{{op.norm}}_norm({{_array(op.target)}}, {{op.post}}, {{op.pre}}, {{op.limit}})
{% endmacro %}

{% macro _execute(section, visit) %}
pass
{% for op in section.operations %}
{{ {'forward': _forward, 'pack': _pack, 'feedback': _feedback, 'hebbian_sum': _hebbian_sum,
    'gather': _gather, 'scatter': _scatter, 'one_hot': _one_hot, 'block': _block, 'zero': _zero,
    'carry': _carry, 'noise': _noise, 'softmax': _softmax, 'energy': _energy, 'settle': _settle,
    'backtrack': _backtrack, 'choose': _choose, 'clip': _clip, 'section': _section}[op.kind](op, visit) }}
{% endfor %}
{% endmacro %}

{% macro _section(section, visit) %}
if {{_condition(section)}}:
    {% if section.loop == 'once' %}
    {{_execute(section, 'all')|indent(4)}}
    {% else %}
    {% if section.loop == 'repeat' %}
    for _iteration in range({{_scalar(section.count)}}):
    {% elif section.loop == 'forward' %}
    for _step in range({{steps}}):
    {% else %}
    for _step in range({{steps - 1}}, -1, -1):
    {% endif %}
        {{_execute(section, 'all' if section.loop == 'repeat' else 'step')|indent(8)}}
    {% endif %}
{% endmacro %}

{% macro _condition(section) -%}
{{_scalar(section.when) if section.when else 'not ' ~ _scalar(section.unless) if section.unless else 'True'}}
{%- endmacro %}

{% block template_support_code %}
from libc.stdint cimport int32_t, uint32_t
from libcpp.algorithm cimport copy_n, fill_n
from scipy.linalg.cython_blas cimport dgemm, sgemm

cdef extern from * nogil:
    """
{% include 'panels.h' %}
{% include 'kernels.h' %}
    """
    void pack_weights[T](bint transposed, int k, int n, const T* weights, T* packed)
    void packed_product[T](int64_t rows, int n, int k, const T* a, const T* packed, bint accumulate, T* c)
    void fill_normal[T](T* target, int count, uint32_t position, uint32_t counter, uint32_t key, T scale)
    void gather_columns[T](const T* weights, int post, int pre, const int32_t* symbols, int64_t rows,
                           bint accumulate, T* target)
    void scatter_columns[T](const T* source, int post, int pre, const int32_t* symbols, int64_t rows,
                            bint accumulate, T* target)
    void one_hot_rows[T](const int32_t* symbols, int64_t rows, int units, T* target)
    void softmax_rows[T](const T* source, T* target, int64_t rows, int units)
    void add_half_square[T](const T* source, int64_t rows, int units, double* energy, int width)
    void add_cross_entropy[T](const T* source, const T* label, int64_t rows, int units, double* energy,
                              int width)
    double HIGHEST, LENGTHENING
    bint has_not_risen(double energy, double last, double rounding)
    double next_gain(double energy, double rounding, double tolerance, int iteration, double* last,
                     double* length, int* used)
    void choose_rows[T](const T* output, int classes, T* stimulus, int units, int rows)
    void choose_symbols[T](const T* output, int classes, int32_t* symbols, int rows)
    void clip_frobenius_norm[T](T* matrix, int post, int pre, double limit)
    void clip_spectral_norm[T](T* matrix, int post, int pre, double limit)

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
{% endblock %}

{% block maincode %}
    cdef int64_t _trials, _first, _width, _iteration, _step, _t, _b, _rows
    cdef size_t _begin, _end
    cdef double _energy, _last, _gain
    cdef bint _any, _was_moving, _settled, _astray, _moves

    # Division as in C: what is not finite shows in the energies, as with the other targets.
    with _cython.cdivision(True):
        _trials = max(1, {{tiling.trials}} - {{_scalar('idle_trials')}}) if {{_scalar(condition)}} else 0
        for _first in range(0, _trials, {{tiling.width}}):
            _width = min({{tiling.width}}, {{tiling.trials}} - _first)
            {% for section in sections %}
            {{_section(section, 'all')|indent(12)}}
            {% endfor %}
{% endblock %}
