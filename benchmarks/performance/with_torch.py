"""torch: the hand-written rules over all steps at once, without a graph of gradients."""

from __future__ import annotations

import numpy as np
import torch
from cases import RATE, Sequences, Words
from torch_presentations import OfSequences, OfWords, inverse_sqrt


class Iterations:
    """Iterations of relaxation."""

    def __init__(self, case: Sequences, threads: int):
        tensors = lambda arrays: tuple(map(torch.from_numpy, arrays))  # noqa: E731
        self.weights = {name: tensors(moments) for name, moments in case.moments.items()}
        (x, self.target), (self.noise, self.noise_out) = tensors(case.batch), tensors(case.noise)
        (m_in, v_in), (m, v) = self.weights["input"], self.weights["recurrent"]
        self.G_in, self.D_in = x @ m_in.T, x**2 @ v_in.T
        beliefs, f = [], torch.zeros_like(self.G_in[0])
        for G, D, noise in zip(self.G_in, self.D_in, self.noise):
            beliefs.append(G + f @ m.T + torch.sqrt(D + f**2 @ v.T) * noise)
            f = beliefs[-1].relu()
        self.r = torch.stack(beliefs)

    @torch.inference_mode()
    def run(self, count: int) -> None:
        for _ in range(count):
            self._iterate()

    def _iterate(self) -> None:
        (m, v), (m_out, v_out) = self.weights["recurrent"], self.weights["output"]
        f = self.r.relu()
        past, last = f[:-1], f[-1]
        G, D = self.G_in.clone(), self.D_in.clone()
        G[1:] += past @ m.T
        D[1:] += past.square() @ v.T
        err = self.r - torch.addcmul(G, D.sqrt(), self.noise)
        q = err * self.noise * inverse_sqrt(D)
        D_out = last.square() @ v_out.T
        err_out = self.target - torch.softmax(last @ m_out.T + D_out.sqrt() * self.noise_out, dim=1)
        q_out = err_out * self.noise_out * inverse_sqrt(D_out)
        A, V = torch.empty_like(err), torch.empty_like(err)
        A[:-1], V[:-1], A[-1], V[-1] = err[1:] @ m, q[1:] @ v, err_out @ m_out, q_out @ v_out
        self.r = self.r + RATE * ((self.r > 0) * torch.addcmul(A, f, V) - err)

    def beliefs(self) -> np.ndarray:
        return self.r.numpy()


def make(case: Sequences | Words, threads: int) -> Iterations | OfSequences | OfWords:
    torch.set_num_threads(threads)
    if isinstance(case, Words):
        return OfWords(case)
    return OfSequences(case) if case.presentation else Iterations(case, threads)
