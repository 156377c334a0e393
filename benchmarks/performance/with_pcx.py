"""pcx: a training step as in its tutorial, with weights of this benchmark and plain gradient descent."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
import pcx
import pcx.functional as pxf
import pcx.nn as pxnn
import pcx.predictive_coding as pxc
import pcx.utils as pxu
from cases import RATE, Layers

BATCHED = pxu.M(pxc.VodeParam | pxc.VodeParam.Cache).to((None, 0))
FREE = pxu.M_hasnot(pxc.VodeParam, frozen=True)


class Model(pxc.EnergyModule):
    def __init__(self, case: Layers):
        super().__init__()
        self.layers = [pxnn.Linear(pre, post, bias=False) for pre, post in zip(case.sizes, case.sizes[1:])]
        for layer, weights in zip(self.layers, case.weights):
            layer.nn.weight.set(jnp.asarray(weights))
        self.vodes = [pxc.Vode() for _ in self.layers]
        self.vodes[-1].h.frozen = True

    def __call__(self, x, y):
        for number, (layer, vode) in enumerate(zip(self.layers, self.vodes)):
            x = vode(layer(jnp.tanh(x) if number else x))
        if y is not None:
            self.vodes[-1].set("h", y)
        return self.vodes[-1].get("u")


@pxf.vmap(BATCHED, in_axes=(0, 0), out_axes=0)
def forward(x, y, *, model):
    return model(x, y)


@pxf.vmap(BATCHED, in_axes=(0,), out_axes=(None, 0), axis_name="batch")
def energy(x, *, model):
    output = model(x, None)
    return jax.lax.psum(model.energy(), "batch"), output


@pxf.jit(static_argnums=0)
def train(iterations, x, y, *, model, optim_w, optim_h):
    model.train()
    with pxu.step(model, pxc.STATUS.INIT, clear_params=pxc.VodeParam.Cache):
        forward(x, y, model=model)
    optim_h.init(FREE(model))
    for _ in range(iterations):
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            _, slopes = pxf.value_and_grad(FREE.to([False, True]), has_aux=True)(energy)(x, model=model)
        optim_h.step(model, slopes["model"])
    optim_h.clear()
    with pxu.step(model, clear_params=pxc.VodeParam.Cache):
        _, slopes = pxf.value_and_grad(pxu.M(pxnn.LayerParam).to([False, True]), has_aux=True)(energy)(x, model=model)
    optim_w.step(model, slopes["model"], scale_by=1.0 / x.shape[0])


class Steps:
    """Training steps."""

    def __init__(self, case: Layers, threads: int):
        pcx.RKG.seed(0)
        self.batch, self.iterations = tuple(map(jnp.asarray, case.batch)), case.iterations
        self.model = Model(case)
        with pxu.step(self.model, pxc.STATUS.INIT, clear_params=pxc.VodeParam.Cache):
            forward(*self.batch, model=self.model)
        self.optim_w = pxu.Optim(lambda: optax.sgd(1e-6), pxu.M(pxnn.LayerParam)(self.model))
        self.optim_h = pxu.Optim(lambda: optax.sgd(RATE))

    def run(self, count: int) -> None:
        for _ in range(count):
            train(self.iterations, *self.batch, model=self.model, optim_w=self.optim_w, optim_h=self.optim_h)
        jax.block_until_ready([layer.nn.weight.get() for layer in self.model.layers])

    def beliefs(self):
        return self.model.vodes[0].get("h")


make = Steps
