"""From rules to Brian2: the only place where the groups and code objects of a circuit are made.

A time step of the network's clock is one presentation.  In it, in this order and as the scalars of `Control` say:

    refresh     moments μ, v of every weight from its parameters
    pack        the moments as products forward read them; before inference, as products backward do
    predict     ancestral pass, step by step: r = h, output and loss
    infer       beliefs and errors, as the scheme of inference says
    learn       the two Hebbian sums of every projection
    adapt       every parameter's update

The groups are ordinary Brian2 groups with equation strings; the phases execute their equations between the products.
"""

from __future__ import annotations

import numpy as np
from brian2 import Group, Network, NeuronGroup, linked_var, second
from brian2.core.clocks import Clock
from brian2.core.variables import ArrayVariable
from brian2.utils.stringtools import word_substitute

from neuro_mpc.networks import phases
from neuro_mpc.networks.functions import FUNCTIONS
from neuro_mpc.networks.groups import Control, DenseSynapses
from neuro_mpc.networks.layout import neural_groups, synaptic_groups
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.phase_runner import MessageLoop, PhaseRunner, own_arrays
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.program import CODES, Manifest
from neuro_mpc.networks.schemes.interface import scheme_of


class Model:
    """The Brian2 network of a circuit: its groups, the phases of a presentation, and what can be set and read.

    Parameters
    ----------
    plan : Plan
        Circuit with rules, shapes, precision, and the options that change the generated code.
    target : {"cpp", "cython", "numpy"}
        Code generation target.
    """

    def __init__(self, plan: Plan, target: str):
        self.plan, self.target = plan, target
        self.dtype = np.dtype(plan.precision)
        self.namespace = {**FUNCTIONS, "tau": TAU_SECONDS * second}
        self.scheme = scheme_of(plan)
        self.clock = Clock(dt=1 * second, name="presentation")
        self.control = Control(
            plan.trials,
            scalars=(*self.scheme.scalars, *(plan.update_rule.scalars(0) if plan.update_rule else ())),
            trial_values=self.scheme.trial_values,
            dtype=self.dtype,
            name="control",
            clock=self.clock,
            namespace=self.namespace,
        )
        self.groups: dict[str, Group] = {"control": self.control}
        self._add_neurons()
        self._add_synapses()
        self.runners = [self._runner(order, phase) for order, phase in enumerate(phases.all_phases(plan))]
        self.network = Network(*self.groups.values(), *self.runners)

    def _add_neurons(self) -> None:
        neural = neural_groups(self.plan)
        # Equations may name scalars of the control. Brian2 wants a value of each here; phases take the control's.
        namespace = {**self.namespace, **dict.fromkeys(self.scheme.scalars, 1.0)}
        made: dict[str, NeuronGroup] = {}
        for each in neural:
            group = NeuronGroup(
                each.elements,
                each.equations,
                method="euler",
                dtype=self.dtype,
                name=each.name,
                clock=self.clock,
                namespace=namespace,
            )
            group.contained_objects.clear()  # its equations are executed by the phases
            self.groups[each.name] = made[each.name] = group
        for each in neural:
            self._link(made[each.name], *(made[name] for name in each.sources))

    @staticmethod
    def _link(group: NeuronGroup, *sources: NeuronGroup) -> None:
        for name, equation in group.equations.items():
            if "linked" in equation.flags:
                source = next(each for each in sources if name in each.equations.names)
                setattr(group, name, linked_var(source, name))

    def _add_synapses(self) -> None:
        for each in synaptic_groups(self.plan):
            self.groups[each.name] = DenseSynapses(
                *each.shape,
                each.equations,
                fan_in=each.fan_in,
                dtype=self.dtype,
                name=each.name,
                clock=self.clock,
                namespace=self.namespace,
            )

    def _runner(self, order: int, phase: Phase) -> PhaseRunner:
        blocks = {name: [self._code(*part) for part in parts] for name, parts in phase.blocks.items()}
        return PhaseRunner(
            self.control,
            phase.sections,
            blocks,
            self._others(),
            passing=phase.passing,
            condition=phase.condition,
            tiling=phase.tiling,
            steps=self.plan.steps,
            target=self.target,
            name=phase.name,
            order=order,
            parallel=phase.parallel,
            clock=self.clock,
        )

    def _others(self) -> list:
        return [group for group in self.groups.values() if group is not self.control]

    def _code(self, group_name: str, code: str) -> tuple[Group, str]:
        """Abstract code of a group; "update" and "integrate" stand for what Brian2 derives from the equations."""
        group = self.groups[group_name]
        derived = {"update": self._update_code, "integrate": self._integration_code}
        code = derived[code](group) if code in derived else code
        fan_in = {"n": repr(group.fan_in)} if isinstance(group, DenseSynapses) else {}
        return group, word_substitute(code, fan_in)

    @staticmethod
    def _update_code(group) -> str:
        if isinstance(group, DenseSynapses):
            return group.update_code
        return group.subexpression_updater.abstract_code if group.subexpression_updater else ""

    def _integration_code(self, group: NeuronGroup) -> str:
        """Brian2's own Euler step of the group's differential equations, with the step of inference as dt."""
        group.state_updater.update_abstract_code(run_namespace={})
        return word_substitute(group.state_updater.abstract_code, {"dt": "inference_dt"})

    def variables(self) -> dict[str, ArrayVariable]:
        """Everything that can be set and read, by the name that phases use; the control's by their own."""
        control = {
            name: variable for name, variable in self.control.variables.items() if isinstance(variable, ArrayVariable)
        }
        arrays = {
            f"{group.name}_{name}": group.variables[name]
            for group in self.groups.values()
            if group is not self.control
            for name in own_arrays(group)
            if name != "i"
        }
        return {**control, **arrays}

    def manifest(self) -> Manifest:
        """Names, types and sizes of the variables, in the order of their numbers."""
        return Manifest(
            {
                name: (np.dtype(variable.dtype).str, int(variable.size))
                for name, variable in sorted(self.variables().items())
            }
        )

    def generate(self) -> None:
        """Generate the code of all phases for a runtime target, as a run of no time would, which would first collect
        all garbage of the process."""
        self.network._clocks = {self.clock}  # which a run tells its network
        self.network.before_run({})

    def converse(self) -> None:
        """Let another program drive the network (C++ standalone)."""
        names = list(self.manifest().variables)
        self.network.add(MessageLoop(self.control, self._others(), names, CODES, "messages", self.clock))
