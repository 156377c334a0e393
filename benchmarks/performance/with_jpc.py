"""jpc: its training step, with Euler steps of inference and plain gradient descent."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jpc
import optax
from cases import RATE, Layers
from diffrax import ConstantStepSize, Euler


class Steps:
    """Training steps."""

    def __init__(self, case: Layers, threads: int):
        (x, y), sizes = case.batch, case.sizes
        self.batch, self.end = (jnp.asarray(x), jnp.asarray(y)), round(case.iterations * RATE)
        model = jpc.make_mlp(
            jax.random.PRNGKey(0),
            input_dim=sizes[0],
            width=sizes[1],
            depth=len(sizes) - 1,
            output_dim=sizes[-1],
            act_fn="tanh",
        )
        self.model, self.optim = model, optax.sgd(1e-6)
        self.state = self.optim.init((eqx.filter(model, eqx.is_array), None))

    def run(self, count: int) -> None:
        x, y = self.batch
        for _ in range(count):
            found = jpc.make_pc_step(
                model=self.model,
                optim=self.optim,
                opt_state=self.state,
                input=x,
                output=y,
                ode_solver=Euler(),
                dt=RATE,
                max_t1=self.end,
                stepsize_controller=ConstantStepSize(),
            )
            self.model, self.state = found["model"], found["opt_state"]
        jax.block_until_ready(eqx.filter(self.model, eqx.is_array))


make = Steps
