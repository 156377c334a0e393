"""Small mistakes in Python sources, one at a time: what a programmer may get wrong, and a test should notice.

Operators of arithmetic and of comparison are exchanged, conditions turned round, numbers changed, statements left out,
arguments swapped, and the operators in printed code exchanged, too.  Annotations, documentation and the texts of errors
stay as they are: no test need notice them.  Arguments of which the order does not
matter, such as those of a maximum, are not swapped.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
IN_PRINTED_CODE = {" + ": " - ", " - ": " + ", "*": "+", " / ": " * ", "+=": "-=", "-=": "+="}
UNTOUCHED = {"annotation", "returns", "decorator_list", "type_params", "exc", "msg"}
SYMMETRIC = {"min", "max", "minimum", "maximum", "swapaxes"}
OF_OTHERS = {"TYPE_CHECKING", "__name__"}


@dataclass(frozen=True)
class Mutant:
    """One mistake: its line, the statement in which it is, and that statement as it becomes, up to their first line."""

    line: int
    first_line: int
    before: str
    after: str
    source: str


@dataclass(frozen=True)
class Place:
    """Where a source can be mutated: the number of a node, and of one of the mistakes that can be made there."""

    node: int
    change: int


def places(source: str, printed_code: bool = False) -> list[Place]:
    """Wherever a source can be mutated; `printed_code`: in the code in its texts, too."""
    return [
        Place(number, change)
        for number, (_, node) in enumerate(_computed(ast.parse(source)))
        for change in range(len(list(_changes(node, printed_code))))
    ]


def mutant(source: str, place: Place, printed_code: bool = False) -> Mutant:
    """The source with one mistake."""
    tree = ast.parse(source)
    statement, node = _computed(tree)[place.node]
    line, before = getattr(node, "lineno", statement.lineno), _first_line(statement)
    list(_changes(node, printed_code))[place.change]()
    return Mutant(line, statement.lineno, before, _first_line(statement), ast.unparse(tree))


def _computed(tree: ast.AST) -> list[tuple[ast.stmt, ast.AST]]:
    """Nodes that are computed, each with its statement."""
    found: list[tuple[ast.stmt, ast.AST]] = []

    def visit(node: ast.AST, statement: ast.stmt | None) -> None:
        if isinstance(node, ast.stmt):
            statement = node
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_documentation(node) or _is_for_others(node):
            return
        if statement is not None:
            found.append((statement, node))
        for name, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            for child in children if name not in UNTOUCHED else []:
                if isinstance(child, ast.AST):
                    visit(child, statement)

    visit(tree, None)
    return found


def _is_documentation(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_others(node: ast.AST) -> bool:
    """What only a type checker reads, or a process that the module is started as."""
    if not isinstance(node, ast.If):
        return False
    return any(isinstance(each, ast.Name) and each.id in OF_OTHERS for each in ast.walk(node.test))


def _changes(node: ast.AST, printed_code: bool) -> Iterator[Callable[[], None]]:
    """The mistakes that can be made in a node: each of them, once called, makes it."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        yield partial(setattr, node, "op", OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Compare):
        yield partial(setattr, node, "ops", [COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.BoolOp):
        yield partial(setattr, node, "op", ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        twice = isinstance(node.op, ast.Not)
        yield partial(setattr, node, "operand", ast.UnaryOp(ast.Not() if twice else ast.USub(), node.operand))
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)) and not _is_turned_round_by_its_operator(node.test):
        yield partial(setattr, node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Constant):
        yield from (partial(setattr, node, "value", value) for value in _other_values(node.value, printed_code))
    elif isinstance(node, ast.Call) and len(node.args) > 1 and not _is_symmetric(node):
        yield partial(setattr, node, "args", [node.args[1], node.args[0], *node.args[2:]])
    if isinstance(node, (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break)):
        yield partial(setattr, node, "__class__", ast.Pass)


def _is_turned_round_by_its_operator(test: ast.expr) -> bool:
    """Whether a mistake in its operator is the same as one in the condition."""
    if isinstance(test, ast.Compare):
        return len(test.ops) == 1 and not isinstance(test.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)


def _is_symmetric(call: ast.Call) -> bool:
    """Whether a call is the same with its first two arguments swapped, or they are not known."""
    return isinstance(call.args[0], ast.Starred) or ast.unparse(call.func).rpartition(".")[2] in SYMMETRIC


def _other_values(value: object, printed_code: bool) -> Iterator[object]:
    """What a constant may be by mistake."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
    elif isinstance(value, str) and printed_code:
        yield from (value.replace(old, new, 1) for old, new in IN_PRINTED_CODE.items() if old in value)


def _first_line(statement: ast.stmt) -> str:
    return ast.unparse(statement).split("\n")[0]
