"""What has to be known of a circuit and its protocol to generate code: shapes, rules and options. No Brian2 here."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, fields, replace
from functools import cached_property

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.network.plasticity import Plasticity
from neuro_mpc.network.rows import Rows, Span, Tiling
from neuro_mpc.rules.derivation import Rules, derive

TAU_SECONDS = 0.01
"""Time constant of the beliefs; only dt/τ matters, and one iteration of inference is one Euler step."""

CACHE_BYTES = 1_000_000
"""Working set of one tile during relaxation: the second-level cache of many processors, half of that of others."""
ARRAYS_PER_UNIT = 10
EFFICIENT_TRIALS = 64
"""Trials of a tile where products go step by step; fewer trials than a presentation has then cost less."""
EFFICIENT_ROWS = 96
"""Rows of a tile from which a matrix product does not wait for its weights, which lie outside the cache if large."""


@dataclass(frozen=True)
class Plan:
    """A sized circuit, the shape of a presentation, and the options that the generated code depends on.

    trials        B, trials of a presentation
    steps         T, sequence steps
    settles       trials stop by themselves at a tolerance, or all at an energy limit (`limited`)
    read          "every" or "last": the steps at which the output is compared with the target
    output_feedback  "every" or "last": the steps that are read whose output error reaches the beliefs
    rate_factors  (parameter, factor on the learning rate) pairs
    symbolic      stimulus and target are numbers of symbols: one value a row in place of one for each unit
    """

    circuit: Circuit
    trials: int
    steps: int
    read: str = "every"
    scheme: str = "fixed-prediction"
    variance_feedback: str = "exact"
    settles: bool = False
    limited: bool = False
    optimizer: str = "sgd"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0
    clip: float = 0.0
    clip_parameters: tuple[str, ...] = ()
    precision: str = "float32"
    threads: int = 1
    clip_norm: str = "spectral"
    rate_factors: tuple[tuple[str, float], ...] = ()
    symbolic: bool = False
    output_feedback: str = "every"

    def to_json(self) -> str:
        """All that the generated code depends on, as text."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return json.dumps({**values, "circuit": self.circuit.to_toml()}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        values = json.loads(text)
        circuit = Circuit.from_tables(tomllib.loads(values["circuit"]), "plan")
        listed = {
            "clip_parameters": tuple(values["clip_parameters"]),
            "rate_factors": tuple(map(tuple, values["rate_factors"])),
        }
        return cls(**{**values, **listed, "circuit": circuit})

    @cached_property
    def rules(self) -> Rules:
        return derive(self.circuit, scheme=self.scheme, variance_feedback=self.variance_feedback, settles=self.settles)

    @cached_property
    def rows(self) -> dict[str, Rows]:
        """Where each population's arrays lie."""
        found = {}
        for name, population in self.circuit.population.items():
            history = max((each.delay for each in self.circuit.outgoing(name).values()), default=0)
            last_only = population.role == "target" and self.read == "last"
            units = 1 if self.symbolic and population.role == "stimulus" else population.size
            found[name] = Rows(units, 1, history, self.steps - 1) if last_only else Rows(units, self.steps, history)
        return found

    @property
    def label_rows(self) -> Rows:
        """Where the numbers of the symbols lie that are the target."""
        return replace(self.rows[self.circuit.target], units=1)

    @property
    def label(self) -> str:
        """Key of `label_rows`; no population has a blank in its name."""
        return f"{self.circuit.target} label"

    @property
    def layout(self) -> dict[str, Rows]:
        """Rows of everything that is shown or read by name: of the populations, and of the symbols of the target."""
        return {**self.rows, **({self.label: self.label_rows} if self.symbolic else {})}

    @cached_property
    def tiling(self) -> Tiling:
        """Tiles of trials, visited by threads: small enough to stay in cache during relaxation."""
        per_thread = -(-self.trials // self.threads)
        if self.limited:  # the batch stops as a whole
            return Tiling(self.trials, self.trials)
        if self.scheme in ("fixed-prediction", "sweeps"):
            return Tiling(self.trials, min(per_thread, EFFICIENT_TRIALS))
        size = 4 if self.precision == "float32" else 8
        units = sum(rows.units * rows.steps for rows in self.rows.values())
        fitting = max(CACHE_BYTES // (ARRAYS_PER_UNIT * size * units), -(-EFFICIENT_ROWS // self.steps))
        tiles = -(-per_thread // max(1, min(per_thread, fitting)))
        return Tiling(self.trials, -(-per_thread // tiles))

    @cached_property
    def squares_stimulus(self) -> bool:
        """Whether some synapses from the stimulus have a variance, and the stimulus is not its own square."""
        return not self.symbolic and any(
            self.rules.synapses[name].varies for name in self.circuit.outgoing(self.circuit.stimulus)
        )

    def packed(self, projection: str, direction: str) -> list[str]:
        """Moments of a projection's weights that matrix products "forward" or "backward" read."""
        stimulated = self.circuit.projection[projection].source == self.circuit.stimulus
        if stimulated and (direction == "backward" or self.symbolic):  # nothing is fed back; symbols are looked up
            return []
        return ["mu"] + ["v"] * self.rules.synapses[projection].varies

    def span(self, projection: str) -> Span:
        each = self.circuit.projection[projection]
        silenced = each.target == self.circuit.target and self.output_feedback == "last"
        return Span(self.rows[each.target], self.rows[each.source], each.delay, self.steps - 1 if silenced else 0)

    def plasticity(self, projection: str) -> Plasticity:
        clipped = self.clip_parameters or tuple(
            self.circuit.synapse[self.circuit.projection[projection].synapse].parameter
        )
        rules, factors = self.rules.synapses[projection], dict(self.rate_factors)
        parameters = tuple(
            replace(each, rate_factor=each.rate_factor * factors.get(each.name, 1.0)) for each in rules.parameters
        )
        return Plasticity(
            replace(rules, parameters=parameters),
            self.trials,
            self.optimizer,
            self.beta1,
            self.beta2,
            self.epsilon,
            self.decay,
            clipped if self.clip > 0 else (),
        )

    @staticmethod
    def group_name(population: str, kind: str) -> str:
        """Brian2 name of one of the groups of a population: "stimulus", "belief", "prediction" or "error"."""
        return f"{population.replace('-', '_')}_{kind}"

    @staticmethod
    def synapses_name(projection: str) -> str:
        """Brian2 name of the synapses of a projection."""
        return f"{projection.replace('-', '_')}_synapses"

    def rate_name(self, population: str, squared: bool = False) -> str:
        """Sweep name of what a population sends: the stimulus itself, or the firing rate."""
        if population == self.circuit.stimulus:
            if self.symbolic:
                return self.group_name(population, "stimulus") + "_symbol"
            return self.group_name(population, "stimulus") + ("_x_squared" if squared else "_x")
        return self.group_name(population, "belief") + ("_f_squared" if squared else "_f")
