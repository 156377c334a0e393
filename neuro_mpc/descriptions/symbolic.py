"""The functions of the language of expressions for SymPy."""

from __future__ import annotations

from collections.abc import Callable

import sympy


class step(sympy.Function):
    """Heaviside step: 1 for x > 0, else 0 (0 at 0)."""

    nargs = 1

    @classmethod
    def eval(cls, x):
        if x.is_Number:
            return sympy.Integer(1 if x > 0 else 0)

    def _eval_is_nonnegative(self):
        return True


class relu(sympy.Function):
    """Rectified line max(x, 0); its derivative is `step`."""

    nargs = 1

    @classmethod
    def eval(cls, x):
        if x.is_Number:
            return x if x > 0 else sympy.S.Zero

    def fdiff(self, argindex=1):
        return step(self.args[0])

    def _eval_is_nonnegative(self):
        return True


class sigmoid(sympy.Function):
    """Logistic function 1 / (1 + exp(-x)); its derivative is sigmoid(x) sigmoid(-x).

    sigmoid (1 - sigmoid) would lose the digits of 1 - sigmoid for large x.
    """

    nargs = 1

    def fdiff(self, argindex=1):
        return self * sigmoid(-self.args[0])  # pyright: ignore[reportOperatorIssue]  # an expression, typed as Basic

    def _eval_is_positive(self):
        return True


class softplus(sympy.Function):
    """Smooth rectified line log(1 + exp(x)); its derivative is `sigmoid`."""

    nargs = 1

    def fdiff(self, argindex=1):
        return sigmoid(self.args[0])

    def _eval_is_positive(self):
        return True


class _Real:
    """Takes a function of SymPy as one of real numbers.

    For arguments that may be complex to SymPy, such as sqrt(x), it would expand real and imaginary parts for
    every question on signs, which may take minutes.
    """

    @classmethod
    def eval(cls, x):
        if not x.is_Number:
            return None
        return super().eval(x)  # pyright: ignore[reportAttributeAccessIssue]  # that of the other base, SymPy's function

    def _eval_is_real(self):
        return True

    _eval_is_extended_real = _eval_is_finite = _eval_is_complex = _eval_is_real


class tanh(_Real, sympy.tanh):
    def fdiff(self, argindex=1):
        return 1 - self**2


class floor(_Real, sympy.floor):
    pass


class sign(_Real, sympy.sign):
    pass


class Abs(_Real, sympy.Abs):
    # SymPy's own derivative splits the argument into real and imaginary parts.
    def _eval_derivative(self, x):
        return sign(self.args[0]) * self.args[0].diff(x)


class RandomCall(sympy.Function):
    """A random function in an initial value; its last argument is a symbol that tells equal calls apart."""

    @property
    def label(self) -> str:
        """The name of that symbol: # and the number of the call in the text."""
        return str(self.args[-1])

    def _sympystr(self, printer):
        return f"{type(self).__name__}({', '.join(map(printer.doprint, self.args[:-1]))})"


class normal(RandomCall):
    """normal(mean, standard deviation)"""


class uniform(RandomCall):
    """uniform(low, high)"""


class identity(RandomCall):
    """identity(): one on the diagonal, zero elsewhere"""


SYMBOLIC: dict[str, Callable] = {
    "abs": Abs,
    "cos": sympy.cos,
    "exp": sympy.exp,
    "floor": floor,
    "log": sympy.log,
    "relu": relu,
    "sigmoid": sigmoid,
    "sign": sign,
    "sin": sympy.sin,
    "softplus": softplus,
    "sqrt": sympy.sqrt,
    "step": step,
    "tanh": tanh,
}
RANDOM: dict[str, Callable] = {"normal": normal, "uniform": uniform, "identity": identity}
