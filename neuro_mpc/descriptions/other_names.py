"""What other frameworks call the keys of a description, so that whoever types their names is told ours."""

from __future__ import annotations

from collections.abc import Collection

from neuro_mpc.errors import did_you_mean

OTHER_NAMES = {
    "learning.rate": ("lr", "learning_rate", "step_size", "eta"),
    "learning.batch": ("batch_size", "batchsize", "minibatch", "minibatch_size", "mini_batch_size"),
    "learning.epochs": ("epoch", "n_epochs", "num_epochs", "max_epochs", "nb_epoch", "passes"),
    "learning.presentations": ("steps_per_epoch", "max_steps", "num_batches", "iterations_per_epoch"),
    "learning.decay": ("weight_decay", "l2", "wd"),
    "learning.clip": ("grad_clip", "gradient_clip", "clipnorm", "clip_grad_norm", "max_grad_norm"),
    "learning.optimizer": ("optim", "optimiser", "solver"),
    "learning.schedule": ("scheduler", "lr_scheduler", "lr_schedule", "rate_schedule"),
    "learning.initial": ("initializer", "init", "weight_init", "initialization"),
    "inference.iterations": ("n_iter", "num_iter", "niter", "inference_steps", "n_iterations", "num_iterations"),
    "inference.rate": ("inference_rate", "inference_lr", "dt"),
    "test.measure": ("metric", "metrics", "score"),
    "test.split": ("eval_split",),
    "stimulus.validation": ("validation_split", "val_split", "validation_fraction"),
    "stimulus.test": ("test_size", "test_split", "test_fraction"),
    "stimulus.source": ("dataset", "data", "input", "inputs"),
    "population.size": ("units", "n_units", "num_units", "neurons", "n_neurons", "hidden_size", "features", "width"),
    "population.activation": ("act", "nonlinearity", "transfer", "transfer_function", "activation_fn", "phi"),
    "population.readout": ("loss", "likelihood", "output"),
    "population.role": ("type", "kind"),
    "projection.from": ("pre", "src"),
    "projection.to": ("post", "dst", "dest"),
    "projection.synapse": ("synapses", "weights", "weight", "syn", "model"),
    "projection.delay": ("lag", "delays"),
    "projection.connect": ("connection", "connectivity", "conn", "rule", "topology"),
    "precision": ("dtype", "floatx"),
}
"""Our key, with the table in which it stands → its names elsewhere."""
PATHS = {name: path for path, names in OTHER_NAMES.items() for name in (*names, path.rpartition(".")[2])}
IN_PYTHON = {"from": "source", "to": "target"}
OF_A_RUN = {
    "seed": "--seed, of the run",
    "random_state": "--seed, of the run",
    "random_seed": "--seed, of the run",
    "device": "--backend, of the run",
    "backend": "--backend, of the run",
    "threads": "--threads, of the run",
    "n_jobs": "--threads, of the run",
}


def known_name(key: str, known: Collection[str]) -> str:
    """ "did you mean 'rate'?" for an unknown key of a table: by its name elsewhere, by the table in which it stands,
    or by the nearest of the `known` keys; "" where none is near."""
    folded = key.lower()
    path = PATHS.get(folded, "")
    table, _, name = path.rpartition(".")
    name = name if name in known else IN_PYTHON.get(name, name)
    if name in known:
        return f"did you mean {name!r}?"
    if table in known and table not in ("population", "projection"):
        return f"did you mean {path!r}?"
    return did_you_mean(key, known) or OF_A_RUN.get(folded, "")
