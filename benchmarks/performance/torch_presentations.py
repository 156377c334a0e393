"""torch: whole presentations under fixed prediction. Noise is drawn, errors are passed back through the steps by hand,
without a graph of gradients, and the parameters learn by torch's fused Adam."""

from __future__ import annotations

import numpy as np
import torch
from cases import ADAM, TINY_RATE, Sequences, Words

NAMES = ("input", "recurrent", "output")
BOUNDS = {"m": (None, None), "pi": (0.0, 0.99), "Xi": (0.0, None)}


def inverse_sqrt(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, torch.rsqrt(torch.where(x > 0, x, 1)), 0)


class Presentations:
    """Presentations one after the other. Of a circuit it is told:

    sums(noise)             projection → (H₁, H₂), Σ e f and Σ q f² over trials and steps
    descents(name, sums)    −∂F/∂θ of the parameters of a projection, of all trials
    """

    def __init__(self, case: Sequences | Words):
        self.case = case
        self.fan_in = {name: float(values["m"].shape[1]) for name, values in case.parameters.items()}
        precision = getattr(torch, case.precision)
        self.parameters = {
            name: {each: torch.tensor(value, dtype=precision) for each, value in values.items()}
            for name, values in case.parameters.items()
        }
        self.noise = tuple(map(torch.from_numpy, case.noise))
        beta1, beta2, epsilon = ADAM
        learned = [value for values in self.parameters.values() for value in values.values()]
        self.adam = torch.optim.Adam(learned, TINY_RATE, (beta1, beta2), epsilon, fused=True)
        with torch.inference_mode():
            self.found = self.sums(self.noise)

    def run(self, count: int) -> None:
        with torch.no_grad():
            for _ in range(count):
                self.present()

    def present(self) -> None:
        for noise in self.noise:
            noise.normal_()
        for name, sums in self.sums(self.noise).items():
            for each, change in self.descents(name, sums).items():
                self.parameters[name][each].grad = change.div_(-self.case.trials)
        self.adam.step()
        for values in self.parameters.values():
            for each, value in values.items():
                if any(bound is not None for bound in BOUNDS[each]):
                    value.clamp_(*BOUNDS[each])

    def gradients(self) -> np.ndarray:
        return np.concatenate([each.numpy().ravel() for name in NAMES for each in self.found[name]])

    def rates(self, G, D, noise, recurrent, activation):
        """Beliefs, rates of all steps, and ε/√D."""
        m, v = recurrent
        r, f, gain = torch.empty_like(noise), torch.empty_like(noise), torch.empty_like(noise)
        previous = torch.zeros_like(noise[0])
        for step in range(len(noise)):
            variance = torch.addmm(D[step], previous.square(), v.T)
            torch.addcmul(torch.addmm(G[step], previous, m.T), variance.sqrt(), noise[step], out=r[step])
            torch.mul(noise[step], inverse_sqrt(variance), out=gain[step])
            previous = f[step] = activation(r[step])
        return r, f, gain

    def errors(self, A, V, slope, f, gain, recurrent):
        """(e, q) of all steps; A and V, what the read-outs of each step feed back, become what all feeds back."""
        m, v = recurrent
        err, q = torch.empty_like(f), torch.empty_like(f)
        for step in reversed(range(len(f))):
            if step + 1 < len(f):
                A[step].addmm_(err[step + 1], m)
                V[step].addmm_(q[step + 1], v)
            torch.mul(slope[step], torch.addcmul(A[step], f[step], V[step]), out=err[step])
            torch.mul(err[step], gain[step], out=q[step])
        return err, q


def summed(error: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Σ over steps and trials."""
    return error.flatten(0, -2).T @ rate.flatten(0, -2)


class OfSequences(Presentations):
    """`mpl`: rectified units, read at the last step."""

    def __init__(self, case: Sequences):
        self.x, self.target = map(torch.from_numpy, case.batch)
        super().__init__(case)

    def sums(self, noise) -> dict:
        x, (noise, noise_out) = self.x, noise
        (m_in, v_in), recurrent, (m_out, v_out) = (self._moments(name) for name in NAMES)
        r, f, gain = self.rates(x @ m_in.T, x.square() @ v_in.T, noise, recurrent, torch.relu)
        D = f[-1].square() @ v_out.T
        err_out = self.target - torch.softmax(torch.addcmul(f[-1] @ m_out.T, D.sqrt(), noise_out), dim=1)
        q_out = err_out * noise_out * inverse_sqrt(D)
        A, V = torch.zeros_like(f), torch.zeros_like(f)
        A[-1], V[-1] = err_out @ m_out, q_out @ v_out
        err, q = self.errors(A, V, r > 0, f, gain, recurrent)
        return {
            "input": (summed(err, x), summed(q, x.square())),
            "recurrent": (summed(err[1:], f[:-1]), summed(q[1:], f[:-1].square())),
            "output": (err_out.T @ f[-1], q_out.T @ f[-1].square()),
        }

    def _moments(self, name):
        """(μ, v) of the weights of a projection."""
        n, (m, pi, Xi) = self.fan_in[name], (self.parameters[name][each] for each in ("m", "pi", "Xi"))
        return m / n, m**2 * pi / (n**2 * (1 - pi)) + Xi / n

    def descents(self, name, sums) -> dict:
        n, (H1, H2) = self.fan_in[name], sums
        m, pi = self.parameters[name]["m"], self.parameters[name]["pi"]
        return {
            "m": H1 / n + H2 * m * pi / (n**2 * (1 - pi)),
            "pi": H2 * m**2 / (2 * n**2 * (1 - pi) ** 2),
            "Xi": H2 / (2 * n),
        }


class OfWords(Presentations):
    """`mpl-language`: words are looked up in an embedding, tanh units, the next word is read at every step."""

    def __init__(self, case: Words):
        self.tokens, self.following = (torch.from_numpy(each[..., 0].astype(np.int64)) for each in case.batch)
        super().__init__(case)

    def sums(self, noise) -> dict:
        noise, noise_out = noise
        (m_in, v_in), recurrent, (m_out, v_out) = (self._moments(name) for name in NAMES)
        embedding = self.parameters["embedding"]["m"]
        x = embedding.T[self.tokens]
        _, f, gain = self.rates(x @ m_in.T, x.square() @ v_in.T, noise, recurrent, torch.tanh)
        A, V = torch.empty_like(f), torch.empty_like(f)
        H1, H2 = torch.zeros_like(m_out), torch.zeros_like(v_out)
        for step in range(len(f)):  # rows of words of one step stay in a cache
            squared = f[step].square()
            D = squared @ v_out.T
            err = torch.softmax(torch.addcmul(f[step] @ m_out.T, D.sqrt(), noise_out[step]), dim=1).neg_()
            err[torch.arange(len(err)), self.following[step]] += 1
            q = err * noise_out[step] * inverse_sqrt(D)
            A[step], V[step] = err @ m_out, q @ v_out
            H1.addmm_(err.T, f[step])
            H2.addmm_(q.T, squared)
        err, q = self.errors(A, V, 1 - f.square(), f, gain, recurrent)
        err_in = err @ m_in + x * (q @ v_in)
        columns = torch.zeros_like(embedding.T).index_add_(0, self.tokens.flatten(), err_in.flatten(0, 1))
        return {
            "embedding": (columns.T, None),
            "input": (summed(err, x), summed(q, x.square())),
            "recurrent": (summed(err[1:], f[:-1]), summed(q[1:], f[:-1].square())),
            "output": (H1, H2),
        }

    def _moments(self, name):
        m, pi, Xi = (self.parameters[name][each] for each in ("m", "pi", "Xi"))
        return (1 - pi) * m, (1 - pi) * (Xi + pi * m**2)

    def descents(self, name, sums) -> dict:
        H1, H2 = sums
        if H2 is None:  # point weights
            return {"m": H1}
        m, pi, Xi = (self.parameters[name][each] for each in ("m", "pi", "Xi"))
        return {
            "m": (1 - pi) * (H1 + H2 * pi * m),
            "pi": H2 * ((1 - 2 * pi) * m**2 - Xi) / 2 - H1 * m,
            "Xi": H2 * (1 - pi) / 2,
        }
