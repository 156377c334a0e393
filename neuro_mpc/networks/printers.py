"""Statements in the languages of the targets: C++, Cython and NumPy.

A printer is given what Brian2 hands to a template: the code of each block, and how arrays are called in the target.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import indent

from neuro_mpc.networks.statements import BreakUnless, Call, Elementwise, Guard, Loop, Pointer, Scalar, Statement, Value

LONGEST_FUNCTION = 2**17
"""Characters of statements in C++ that are one function: compilers take time as the square of its length, or more."""
POINTER = re.compile(r"\b_ptr\w+")


class Printer:
    """What the languages have in common; a subclass adds its blocks, loops and pointers.

    scalar_code, vector_code   block → its code outside and inside the loop over elements
    variables, get_array_name  name → Brian2 variable → name of its array
    """

    def __init__(self, scalar_code: Mapping, vector_code: Mapping, variables: Mapping, get_array_name: Callable):
        self.scalar, self.vector = _text(scalar_code), _text(vector_code)
        self.array = lambda name: get_array_name(variables[name])

    def statements(self, statements: Iterable[Statement]) -> str:
        """Several statements, one after the other."""
        return "\n".join(self.statement(each) for each in statements)

    def statement(self, statement: Statement) -> str:
        match statement:
            case Call():
                return self.end(self.call(statement))
            case Elementwise():
                return self.elementwise(statement)
            case Guard(left, relation, right, body):
                return self.compound(f"if ({self.value(left)} {relation} {self.value(right)})", self.statements(body))
            case Loop():
                return self.compound(self.loop(statement), self.statements(statement.body))
            case BreakUnless(judge):
                return self.compound(f"if ({self.call(judge)} == 0)", self.end("break"))

    def call(self, call: Call) -> str:
        return f"{call.kernel}({', '.join(map(self.value, call.arguments))})"

    def value(self, value: Value) -> str:
        match value:
            case Scalar(name):
                return f"{self.array(name)}[0]"
            case Pointer(name, offset):
                return self.pointer(self.array(name), str(offset))
            case float():
                return self.real(value)
        return str(value)

    def pointer(self, array: str, offset: str) -> str:
        return array if offset == "0" else f"{array} + {offset}"

    def real(self, number: float) -> str:
        return repr(number)

    # Of Python and Cython; C++ has its own.

    def end(self, statement: str) -> str:
        return statement

    def compound(self, head: str, body: str) -> str:
        return f"{head}:\n{indent(body, '    ')}"

    def loop(self, loop: Loop) -> str:
        count = self.value(loop.count)
        stretch = f"{count} - 1, -1, -1" if loop.backwards else count
        return f"for {loop.variable} in range({stretch})"

    def elementwise(self, block: Elementwise) -> str:
        raise NotImplementedError


def _text(code: Mapping[str, str | list[str]]) -> dict[str, str]:
    """The code of each block as text; Brian2 gives lines but for Cython."""
    return {block: each if isinstance(each, str) else "\n".join(each) for block, each in code.items()}


class NumpyPrinter(Printer):
    """Whole arrays; kernels of `neuro_mpc.networks.kernels`."""

    def call(self, call: Call) -> str:
        return f"_kernels.{super().call(call)}"

    def pointer(self, array: str, offset: str) -> str:
        return f"{array}[{offset}:]"

    def elementwise(self, block: Elementwise) -> str:
        elements = f"_begin = {block.begin}\n_idx = slice(_begin, _begin + {block.size})"
        return "\n".join(["_vectorisation_idx = 1", self.scalar[block.block], elements, self.vector[block.block]])


class CythonPrinter(Printer):
    """Loops that are compiled; kernels of C++."""

    def real(self, number: float) -> str:
        return f"<double>{number!r}"  # also where the compiler takes constants as single

    def elementwise(self, block: Elementwise) -> str:
        bounds = f"_begin = {block.begin}\n_end = _begin + {block.size}"
        loop = self.compound("for _idx in range(_begin, _end)", self.vector[block.block])
        return "\n".join(["_vectorisation_idx = 1", self.scalar[block.block], bounds, loop])


class CPPPrinter(Printer):
    """Loops for the compiler to vectorise; kernels of C++.

    Statements that are longer than one function may be are moved into several, which `functions` holds once they are
    printed; each declares those of the pointers that it names.

    pointers   lines that each declare one pointer
    """

    def __init__(self, *code, pointers: Sequence[str] = ()):
        super().__init__(*code)
        self.functions: list[str] = []
        self._pointers = {POINTER.findall(line)[0]: line for line in pointers}
        self._loops: list[str] = []

    def statements(self, statements: Iterable[Statement]) -> str:
        statements = list(statements)
        texts = [self.statement(each) for each in statements]
        if sum(map(len, texts)) <= LONGEST_FUNCTION:
            return "\n".join(texts)
        printed, moved = [], []
        for statement, text in zip(statements, texts, strict=True):
            stays = isinstance(statement, BreakUnless)  # in the loop that it leaves
            if moved and (stays or sum(map(len, moved)) + len(text) > LONGEST_FUNCTION):
                printed.append(self._moved(moved))
                moved = []
            (printed if stays else moved).append(text)
        return "\n".join([*printed, *([self._moved(moved)] if moved else [])])

    def _moved(self, texts: list[str]) -> str:
        """Makes a function of some statements; its call."""
        name, body = f"_part_{len(self.functions)}", "\n".join(texts)
        numbers = "".join(f", const int64_t {each}" for each in self._loops)
        head = f"__attribute__((noinline)) void {name}(const int64_t _first, const int64_t _width, double* _per_trial"
        self.functions.append(
            self.compound(f"{head}{numbers})", "\n".join(["using namespace brian;", *self.pointers(body), body]))
        )
        return f"{name}({', '.join(['_first', '_width', '_per_trial', *self._loops])});"

    def pointers(self, text: str) -> list[str]:
        """The lines that declare the pointers that some code names."""
        return [self._pointers[name] for name in dict.fromkeys(POINTER.findall(text)) if name in self._pointers]

    def statement(self, statement: Statement) -> str:
        if not isinstance(statement, Loop):
            return super().statement(statement)
        self._loops.append(statement.variable)
        try:
            return super().statement(statement)
        finally:
            self._loops.pop()

    def end(self, statement: str) -> str:
        return f"{statement};"

    def compound(self, head: str, body: str) -> str:
        return f"{head}\n{{\n{indent(body, '    ')}\n}}".lstrip()

    def loop(self, loop: Loop) -> str:
        variable, count = loop.variable, self.value(loop.count)
        if loop.backwards:
            return f"for (int64_t {variable} = {count} - 1; {variable} >= 0; {variable}--)"
        return f"for (int64_t {variable} = 0; {variable} < {count}; {variable}++)"

    def elementwise(self, block: Elementwise) -> str:
        bounds = f"const int64_t _begin = {block.begin}, _end = _begin + {block.size};"
        head = "#pragma GCC ivdep\nfor (int64_t _idx = _begin; _idx < _end; _idx++)"
        loop = self.compound(head, self.vector[block.block])
        body = ["const size_t _vectorisation_idx = -1;", self.scalar[block.block], bounds, loop]
        return self.compound("", "\n".join(body))
