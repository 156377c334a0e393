"""NumPy: the rules over all steps at once in the precision of the case; or in loops over the steps in double
precision, tuned or with all that the code released with the paper computes in an iteration."""

from __future__ import annotations

import numpy as np
from cases import RATE, Sequences


def inverse_sqrt(x: np.ndarray) -> np.ndarray:
    return np.divide(1, np.sqrt(x), out=np.zeros_like(x), where=x > 0)


class Iterations:
    """Iterations of relaxation, all steps at once."""

    def __init__(self, case: Sequences, threads: int, precision: str = ""):
        dtype = precision or case.precision
        self.weights = {name: tuple(each.astype(dtype) for each in moments) for name, moments in case.moments.items()}
        (x, self.target), (self.noise, self.noise_out) = case.batch, case.noise
        x, self.target, self.noise, self.noise_out = (
            each.astype(dtype) for each in (x, self.target, self.noise, self.noise_out)
        )
        (m_in, v_in), (m, v) = self.weights["input"], self.weights["recurrent"]
        self.G_in, self.D_in = x @ m_in.T, x**2 @ v_in.T
        self.r = np.zeros_like(self.G_in)
        f = np.zeros_like(self.r[0])
        for step in range(case.steps):
            D = self.D_in[step] + f**2 @ v.T
            self.r[step] = self.G_in[step] + f @ m.T + np.sqrt(D) * self.noise[step]
            f = np.maximum(self.r[step], 0)

    def run(self, count: int) -> None:
        for _ in range(count):
            self._iterate()

    def _iterate(self) -> None:
        m, v = self.weights["recurrent"]
        f = np.maximum(self.r, 0)
        G, D = self.G_in.copy(), self.D_in.copy()
        G[1:] += f[:-1] @ m.T
        D[1:] += f[:-1] ** 2 @ v.T
        err = self.r - (G + np.sqrt(D) * self.noise)
        q = err * self.noise * inverse_sqrt(D)
        A, V = np.empty_like(err), np.empty_like(err)
        A[:-1], V[:-1] = err[1:] @ m, q[1:] @ v
        A[-1], V[-1] = self._output_feedback(f[-1])
        self.r += self.r.dtype.type(RATE) * ((self.r > 0) * (A + f * V) - err)

    def _output_feedback(self, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        m, v = self.weights["output"]
        D = f**2 @ v.T
        u = f @ m.T + np.sqrt(D) * self.noise_out
        y = np.exp(u - u.max(axis=1, keepdims=True))
        err = self.target - y / y.sum(axis=1, keepdims=True)
        return err @ m, (err * self.noise_out * inverse_sqrt(D)) @ v

    def beliefs(self) -> np.ndarray:
        return self.r


class Loops(Iterations):
    """Iterations of relaxation, step by step in double precision; what does not change is computed once."""

    def __init__(self, case: Sequences, threads: int):
        super().__init__(case, threads, "float64")
        self.err, self.q = np.zeros_like(self.r), np.zeros_like(self.r)

    def _iterate(self) -> None:
        m, v = self.weights["recurrent"]
        steps = len(self.r)
        for step in range(steps):
            G, D = self.G_in[step], self.D_in[step]
            if step:
                f = np.maximum(self.r[step - 1], 0)
                G, D = G + f @ m.T, D + f**2 @ v.T
            self.err[step] = self.r[step] - (G + np.sqrt(D) * self.noise[step])
            self.q[step] = self.err[step] * self.noise[step] * inverse_sqrt(D)
        last = self._output_feedback(np.maximum(self.r[-1], 0))
        for step in range(steps):
            A, V = (self.err[step + 1] @ m, self.q[step + 1] @ v) if step + 1 < steps else last
            f = np.maximum(self.r[step], 0)
            self.r[step] += RATE * ((self.r[step] > 0) * (A + f * V) - self.err[step])


class Released(Iterations):
    """Iterations of relaxation, step by step in double precision, with the work of the code released with the paper.

    Trials lie side by side in columns. Each iteration draws its noise anew (from a seed, so that it is the same) and
    computes the free energy; each step, forwards and backwards, computes the first two moments of all weights, and
    from them the variances that it needs, and the input from the stimulus again."""

    def __init__(self, case: Sequences, threads: int):
        super().__init__(case, threads, "float64")
        self.case, self.x = case, case.batch[0].astype("float64").transpose(0, 2, 1)
        self.target, self.r = self.target.T, np.ascontiguousarray(self.r.transpose(0, 2, 1))

    def _iterate(self) -> None:
        noise, noise_out = self.case.drawn_noise()
        noise, noise_out = noise.transpose(0, 2, 1), noise_out.T
        steps = len(self.r)
        err, deviation, change = np.zeros_like(self.r), np.zeros_like(self.r), np.zeros_like(self.r)
        for step in range(steps):
            (m_in, second_in), (m, second) = self._moments("input", "recurrent")
            before = self.r[step - 1] if step else np.zeros_like(self.r[0])
            D = (second_in - m_in**2) @ self.x[step] ** 2 + (second - m**2) @ np.maximum(before, 0) ** 2
            deviation[step] = np.sqrt(np.maximum(D, 0))
            prediction = m @ np.maximum(before, 0) + m_in @ self.x[step] + noise[step] * deviation[step]
            err[step] = self.r[step] - prediction
        ((m, second),) = self._moments("output")
        f = np.maximum(self.r[-1], 0)
        deviation_out = np.sqrt(np.maximum((second - m**2) @ f**2, 0))
        u = m @ f + noise_out * deviation_out
        y = np.exp(u - u.max(axis=0))
        y /= y.sum(axis=0)
        self.energy = 0.5 * (err**2).sum() - (self.target * np.log(y + 1e-5)).sum(axis=0).mean()
        err_out = self.target - y
        for step in reversed(range(steps)):
            ((m, second),) = self._moments("recurrent" if step + 1 < steps else "output")
            e, z, root = (
                (err[step + 1], noise[step + 1], deviation[step + 1])
                if step + 1 < steps
                else (err_out, noise_out, deviation_out)
            )
            passed = self.r[step] > 0
            varied = (second - m**2).T @ (e * z / (root + 1e-30))
            change[step] = (
                -RATE * err[step] + RATE * passed * (m.T @ e) + RATE * passed * np.maximum(self.r[step], 0) * varied
            )
            self.r[step] = self.r[step] + change[step]

    def _moments(self, *wanted: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """⟨w⟩ and ⟨w²⟩; those of all projections are computed."""
        found = {}
        for name, values in self.case.parameters.items():
            m, pi, Xi, n = values["m"], values["pi"], values["Xi"], values["m"].shape[1]
            found[name] = m / n, m**2 / (n**2 * (1 - pi)) + Xi / n
        return [found[name] for name in wanted]

    def beliefs(self) -> np.ndarray:
        return self.r


FORMS = {"": Iterations, "loops": Loops, "released": Released}


def make(case: Sequences, threads: int, form: str = "") -> Iterations:
    return FORMS[form](case, threads)
