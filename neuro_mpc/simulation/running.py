"""A circuit in a running program: its parameters, the weights it works with, the state that it carries over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from neuro_mpc.descriptions.connections import CONNECTED
from neuro_mpc.errors import RunError
from neuro_mpc.networks.phases import sums
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.plasticity import state_names
from neuro_mpc.networks.program import Program
from neuro_mpc.networks.schemes.interface import tile_widths
from neuro_mpc.rules.variables import brian_name
from neuro_mpc.rules.weighting import LOG_PRECISION, PRECISION
from neuro_mpc.simulation.connections import connects_some, existing, filled, only
from neuro_mpc.simulation.initial import Parameters
from neuro_mpc.simulation.precisions import owners
from neuro_mpc.simulation.sampling import Weights


class RunningCircuit:
    """The synapses and the lasting state of a circuit, read from a running program and set there.

    carries   presentations may begin with the neural state in which the one before ended
    """

    def __init__(self, program: Program, plan: Plan, carries: bool = False):
        self.program, self.plan, self._carries = program, plan, carries
        self._packed: set[str] = set()  # directions in which products have packed the current weights
        self._flags: dict[str, int] = {}  # as the program has them

    def load(self, parameters: Parameters) -> None:
        """Set every synapse's parameters, of the circuit's `shape` and missing where there is no synapse, and every
        precision that is learned; the moments follow."""
        for owner, population in owners(self.plan.circuit).items():
            logarithms = parameters[owner][LOG_PRECISION]
            self.program.set(**{f"{self._precisions(population)}_{LOG_PRECISION}": logarithms})
        for projection in self.plan.circuit.untied:
            values = parameters[projection]
            group = self.plan.synapses_name(projection)
            if connects_some(self.plan.circuit, projection) and (mask := existing(values)) is not None:
                values = {name: filled(value, mask) for name, value in values.items()}
                self.program.set(**{f"{group}_{CONNECTED}": mask})
            self.program.set(**{f"{group}_{brian_name(name)}": value for name, value in values.items()})
        self._phases(refreshing=True)

    def parameters(self) -> Parameters:
        """Every synapse's parameters now, missing where there is none, and every precision that is learned."""
        synapses = {projection: self._parameters(projection) for projection in self.plan.circuit.untied}
        learned = owners(self.plan.circuit).items()
        return {**synapses, **{owner: {LOG_PRECISION: self._log_precisions(name)} for owner, name in learned}}

    def _log_precisions(self, population: str) -> np.ndarray:
        """log Π of a population's errors, (number, 1)."""
        (values,) = self.program.get(f"{self._precisions(population)}_{LOG_PRECISION}")
        return values[:, None]

    def _precisions(self, population: str) -> str:
        return self.plan.group_name(population, "precision")

    def _parameters(self, projection: str) -> dict[str, np.ndarray]:
        mask = self.connected(projection)
        return {
            name: only(mask, self._matrix(projection, brian_name(name))) for name in self._parameter_names(projection)
        }

    def connected(self, projection: str) -> np.ndarray | None:
        """Which pairs of units have a synapse, bool (n_post, n_pre), where some only have one; else None."""
        if not connects_some(self.plan.circuit, projection):
            return None
        return self._matrix(projection, CONNECTED) != 0

    def existing(self, projection: str) -> np.ndarray:
        """Which synapses of a projection there are, bool of the circuit's `shape`."""
        mask = self.connected(projection)
        return np.ones(self.plan.circuit.shape(projection), bool) if mask is None else mask

    @contextmanager
    def noiseless(self) -> Iterator[None]:
        """Within it every weight is its mean."""
        self.program.set(noise_scale=0.0)
        try:
            yield
        finally:
            self.program.set(noise_scale=1.0)

    @contextmanager
    def fixed_weights(self, weights: Weights) -> Iterator[None]:
        """Within it the circuit has these weights, of its `shape` each, of all projections; only for prediction."""
        self._packed.clear()
        for projection, values in weights.items():
            group = self.plan.synapses_name(projection)
            self.program.set(**{f"{group}_mu": values})
        try:
            with self.noiseless():  # variances have no effect, then
                yield
        finally:
            self._phases(refreshing=True)

    @contextmanager
    def silenced(self, masks: Mapping[str, np.ndarray]) -> Iterator[None]:
        """Within it weights are zero where the mask of a projection, bool of its `shape`, is false; only for
        prediction."""
        self._packed.clear()
        for projection, mask in masks.items():
            moments = dict(zip(("mu", "v"), self.moments(projection)))
            varies = self.plan.rules.synapses[projection].varies
            group = self.plan.synapses_name(projection)
            self.program.set(
                **{f"{group}_{name}": values * mask for name, values in moments.items() if varies or name == "mu"}
            )
        try:
            yield
        finally:
            self._phases(refreshing=True)

    def moments(self, projection: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every weight of a projection now, of its `shape` each; 0 where there is no synapse."""
        mean = self._matrix(projection, "mu")
        return mean, self._matrix(projection, "v") if self.plan.rules.synapses[projection].varies else 0 * mean

    def state(self) -> dict[str, np.ndarray]:
        """All that learning carries from one presentation to the next, by the name of the program's variable."""
        names = self._lasting()
        return dict(zip(names, self.program.get(*names)))

    def restore(self, state: Mapping[str, np.ndarray], threads: int | None = None, workers: int | None = None) -> None:
        """Continue from a `state`; RunError where it is not one of this circuit.

        threads, workers   those of the program that it is of, where it may be another one
        """
        variables = self.program.manifest.variables
        if {name: array.size for name, array in state.items()} != {
            name: variables[name][1] for name in self._lasting()
        }:
            raise RunError(
                "the saved synapses are not those of this circuit", hint="--overwrite starts from the beginning"
            )
        self.program.set(**state)
        if threads is not None and workers is not None:
            self._retile(state, threads, workers)
        self._packed.clear()

    def _retile(self, state: Mapping[str, np.ndarray], threads: int, workers: int) -> None:
        """Trials that are carried over lie in the tiles of a program."""
        theirs, ours = (
            tile_widths(self.plan, *those) for those in ((threads, workers), (self.plan.threads, self.program.shares))
        )
        if theirs != ours:
            places = {name: self.plan.layout[population] for name, population in self._carried().items()}
            self.program.set(**{name: rows.retiled(state[name], theirs, ours) for name, rows in places.items()})

    def carried(self) -> dict[str, np.ndarray]:
        """The neural state with which the next presentation begins, by the name of the program's variable."""
        names = self._carried()
        return dict(zip(names, self.program.get(*names))) if names else {}

    def carry(self, state: Mapping[str, np.ndarray]) -> None:
        """Let the next presentation begin with this neural state."""
        self.program.set(**state)

    def _carried(self) -> dict[str, str]:
        """The neural state that is carried over to the next presentation, if any: variable → population."""
        rates = {
            self.plan.rate_name(name, squared): name
            for name in self.plan.circuit.population
            if self.plan.rows[name].history
            for squared in (False, True)
        }
        beliefs = {f"{self.plan.group_name(name, 'belief')}_r": name for name in self.plan.remembering}
        found = {name: rates[name] for name in rates if name in self.program.manifest.variables} | beliefs
        return found if self._carries else {}

    def _lasting(self) -> list[str]:
        """Parameters, what the optimiser remembers of them, moments of weights, precisions, and neural state."""
        names = list(self._carried())
        for projection in self.plan.circuit.untied:
            variables = [CONNECTED, "mu", "v", *self._learning_variables(projection)]
            names += [f"{self.plan.synapses_name(projection)}_{name}" for name in variables]
        for population in self.plan.precisions:
            variables = [LOG_PRECISION, PRECISION]
            if self.plan.update_rule:
                variables += state_names(self.plan.update_rule, LOG_PRECISION).values()
            names += [f"{self._precisions(population)}_{name}" for name in variables]
        return [name for name in names if name in self.program.manifest.variables]

    def _learning_variables(self, projection: str) -> Iterator[str]:
        for name in self._parameter_names(projection):
            yield brian_name(name)
            if self.plan.update_rule:
                yield from state_names(self.plan.update_rule, brian_name(name)).values()

    def _parameter_names(self, projection: str) -> list[str]:
        return [rule.name for rule in self.plan.rules.synapses[projection].parameters]

    def _matrix(self, projection: str, variable: str) -> np.ndarray:
        (values,) = self.program.get(f"{self.plan.synapses_name(projection)}_{variable}")
        return values.reshape(self.plan.circuit.shape(projection))

    def _phases(self, **flags: bool) -> None:
        """Run one time step of the network with these phases only; where programs share the trials, learning goes on
        in a second one, from the sums over all trials."""
        is_shared = self.program.shares > 1
        learning = flags.get("learning", False)
        self._step(**flags, adapting=learning and not is_shared)
        if learning and is_shared:
            self.program.add_up(sums(self.plan))
            self._step(adapting=True)

    def _step(self, **flags: bool) -> None:
        names = ("predicting", "inferring", "learning", "adapting", "refreshing", "generating", "carrying")
        running = {name for name in names if flags.get(name)}
        if "refreshing" in running:
            self._packed.clear()
        packed = {f"packed_{direction}": int(direction in self._packed) for direction in ("forward", "backward")}
        wanted = {name: int(name in running) for name in names} | packed
        self.program.set(**{name: flag for name, flag in wanted.items() if self._flags.get(name) != flag})
        self._flags = wanted
        self.program.step()
        self._packed |= {
            direction for direction, phase in (("forward", "predicting"), ("backward", "inferring")) if phase in running
        }
        if "adapting" in running:
            self._packed.clear()
