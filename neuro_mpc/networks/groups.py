"""Two small Brian2 groups: the synapses of a dense projection, and the scalars that control a presentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from brian2 import Group, Quantity, second
from brian2.core.clocks import Clock
from brian2.core.variables import Variables
from brian2.equations.equations import PARAMETER, Equations, extract_constant_subexpressions

from neuro_mpc.networks.layout import TRIAL_COUNTS, TRIAL_VALUES

SECONDS = cast(Quantity, second).dim  # Brian2 makes it where type checkers take it for an array


class DenseSynapses(Group):
    """One element for each pair of units, laid out post × pre, or one for each unit (post × 1), with the variables of
    `model`; `fan_in` is the number n of its expressions.

    Subexpressions marked "(constant over dt)" are stored, and `update_code` brings them up to date, as in Brian2's
    `NeuronGroup`.
    """

    def __init__(
        self, n_post: int, n_pre: int, model: str, *, fan_in: float, dtype, name: str, clock: Clock, namespace: dict
    ):
        super().__init__(name=name, clock=clock)
        self.shape, self.fan_in = (n_post, n_pre), fan_in
        self.namespace = namespace
        self.equations, stored = extract_constant_subexpressions(Equations(model))
        self.update_code = "\n".join(f"{each.varname} = {each.expr}" for each in stored.ordered)
        self.variables = Variables(self)
        self.variables.add_constant("N", n_post * n_pre)
        for equation in self.equations.values():
            assert equation.type == PARAMETER
            self.variables.add_array(equation.varname, size=n_post * n_pre, dimensions=equation.dim, dtype=dtype)
        self._enable_group_attributes()


class Control(Group):
    """What a presentation is to do, as scalars; and what is known of each trial.

    scalars, trial_values   those of the scheme of inference and of the optimiser
    """

    FLAGS = (
        "predicting",
        "inferring",
        "learning",
        "adapting",
        "refreshing",
        "generating",
        "carrying",
        "drawing",
        "redrawing",
        "packed_forward",
        "packed_backward",
        "entering",
    )
    COUNTS = ("iterations", "idle_trials", "first_trial", "noise_counter", "noise_key", "first_window", "stop_window")
    SCALARS = ("noise_scale", "tolerance", "energy_limit", "rate")

    def __init__(
        self,
        trials: int,
        *,
        scalars: Iterable[str],
        trial_values: Iterable[str],
        dtype,
        name: str,
        clock: Clock,
        namespace: dict,
    ):
        super().__init__(name=name, clock=clock)
        self.namespace = namespace
        self.variables = Variables(self)
        self.variables.add_constant("N", 1)
        for flag in (*self.FLAGS, *self.COUNTS):
            self.variables.add_array(flag, size=1, dtype=np.int32, scalar=True)
        for scalar in (*self.SCALARS, *scalars):
            self.variables.add_array(scalar, size=1, dtype=dtype, scalar=True)
        self.variables.add_array("inference_dt", size=1, dtype=dtype, scalar=True, dimensions=SECONDS)
        for value in (*TRIAL_VALUES, *trial_values):
            self.variables.add_array(value, size=trials, dtype=np.float64)
        for count in TRIAL_COUNTS:
            self.variables.add_array(count, size=trials, dtype=np.int32)
        self._enable_group_attributes()
