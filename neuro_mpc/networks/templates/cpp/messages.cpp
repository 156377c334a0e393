{# Wait for the other side: it sets and gets variables, asks for a step, or ends the program.
   The messages are those of neuro_mpc/networks/program.py. #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
#include <cstdlib>
#include "arrays.h"
{% endblock %}

{% block maincode %}
static const struct { char* data; size_t bytes; } _variables[] = {
    {% for name in names %}
    { reinterpret_cast<char*>({{get_array_name(variables[name])}}), sizeof({{c_data_type(variables[name].dtype)}}) * (size_t){{variables[name].size}} },
    {% endfor %}
};
std::fflush(stdout);
for (;;)
{
    int32_t _message[2];
    if (std::fread(_message, sizeof(_message), 1, stdin) != 1 || _message[0] == {{codes.END}})
        std::_Exit(0); // everything of interest has been sent: the arrays are not written to disk
    if (_message[0] == {{codes.STEP}})
        return;
    const auto& _variable = _variables[_message[1]];
    if (_message[0] == {{codes.SET}})
    {
        if (std::fread(_variable.data, 1, _variable.bytes, stdin) != _variable.bytes)
            std::_Exit(1);
    }
    else if (_message[0] == {{codes.GET}})
        std::fwrite(_variable.data, 1, _variable.bytes, stdout);
    else
        std::fflush(stdout);
}
{% endblock %}
