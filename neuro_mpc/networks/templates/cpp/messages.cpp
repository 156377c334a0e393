{# Wait for the other side: it sets and gets variables, asks for a step, or ends the program.
   The messages are those of neuro_mpc/networks/program.py. Answers are sent when FLUSH asks for them, or there are many:
   sent after each step, they would wake the run for every single trial. #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
#include <cstdio>
#include <cstdlib>
#include "arrays.h"

// The run waits for an answer: without one it has to be told why, in the log.
[[noreturn]] static void _end(const char* problem)
{
    std::perror(problem);
    std::_Exit(1);
}
{% endblock %}

{% block maincode %}
static const struct { char* data; size_t bytes; } _variables[] = {
    {% for name in names %}
    { reinterpret_cast<char*>({{get_array_name(variables[name])}}), sizeof({{c_data_type(variables[name].dtype)}}) * (size_t){{variables[name].size}} },
    {% endfor %}
};
// Many messages are read at once: while their pipe is full, the run is woken for each part.
static char _buffer[1 << 16];
static const int _buffered = std::setvbuf(stdin, _buffer, _IOFBF, sizeof(_buffer));
for (;;)
{
    int32_t _message[2];
    const bool _is_told = std::fread(_message, sizeof(_message), 1, stdin) == 1;
    if (!_is_told && std::ferror(stdin))
        _end("a message cannot be read");
    if (!_is_told || _message[0] == {{codes.END}})
        std::_Exit(0); // everything of interest has been sent: the arrays are not written to disk
    if (_message[0] == {{codes.STEP}})
        return;
    const auto& _variable = _variables[_message[1]];
    if (_message[0] == {{codes.SET}})
    {
        if (std::fread(_variable.data, 1, _variable.bytes, stdin) != _variable.bytes)
            _end("a variable cannot be read");
    }
    else if (_message[0] == {{codes.GET}} ? std::fwrite(_variable.data, 1, _variable.bytes, stdout) != _variable.bytes
                                          : std::fflush(stdout) != 0)
        _end("an answer cannot be written");
}
{% endblock %}
