"""Credit in time, forwards: errors of a step reach earlier ones through influences, without a pass back in time.

With errors e that know of their own step alone (inference in a window of one step), and M the influence of a moment of
the weights on beliefs (Williams & Zipser 1989; of predictions with a mean and a variance, with the noise ε held):

    M_i(s) = ∂h_i(s) + Σ_j J_ij(s) M_j(s − d),   J_ij = f'_j (μ_ij + v_ij f_j ε_i/√D_i)
    ∂h/∂μ = f,   ∂h/∂v = f² ε/(2 √D)
    −∂F/∂θ = Σ e ∂h/∂θ + Σ_s Σ_j c_j(s) M_j(s),   c_j(s) = f'_j (A_j + f_j V_j) of the errors of later steps

The first sum is that of the learning phase (H1 and H2, which hold e f and e ε f²/√D); this phase adds the second.
Under fixed prediction both together are the gradient. A diagonal keeps J_ii alone, and a unit's own error credits its
synapses, Σ_s e_i(s) M_i(s), as in D-RTRL and e-prop (Bellec et al. 2020): nothing leaves the unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuro_mpc.networks.influences import Influence, credited, influences, informed, passages
from neuro_mpc.networks.operations import Operation
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.rows import Rows, Stretch, Visit
from neuro_mpc.networks.sections import Section
from neuro_mpc.networks.signals import feedbacks
from neuro_mpc.networks.statements import Call, Extent, Pointer, Statement, Value


@dataclass(frozen=True)
class Row:
    """A variable of a population, `delay` steps before the step that is visited."""

    name: str
    rows: Rows
    delay: int = 0


@dataclass(frozen=True)
class OfTrial(Operation):
    """A kernel for a single trial at a single step."""

    kernel: str
    arguments: tuple[Row | Value, ...]

    def lower(self, visit: Visit) -> Iterable[Statement]:
        steps = visit.stretch(0, visit.steps)
        return steps.visit(Call(self.kernel, *(self._value(each, steps) for each in self.arguments)))

    @staticmethod
    def _value(argument: Row | Value, steps: Stretch) -> Value:
        if isinstance(argument, Row):
            return argument.rows.of(argument.name, steps.shifted(-argument.delay))
        return argument


@dataclass(frozen=True)
class Forget(Operation):
    """No synapse has had any influence yet."""

    variable: str
    size: int

    def lower(self, visit: Visit) -> Iterable[Call]:
        return [Call("fill_zero", Pointer(self.variable), self.size)]


def credit_phase(plan: Plan) -> Phase:
    """What the errors of later steps say about a synapse's influences, added to its Hebbian sums."""
    return _Credit(plan).phase()


class _Credit:
    """Composes the phase."""

    def __init__(self, plan: Plan):
        self.plan, self.circuit, self.diagonal = plan, plan.circuit, plan.credit == "trace"
        self.influences = influences(plan)
        self.passages = passages(plan.circuit, self.diagonal)
        self.informed = informed(plan.circuit, self.diagonal)

    def phase(self) -> Phase:
        plan = self.plan
        phase = Phase("credit", "learning", parallel=False)
        heard = [
            operation
            for name in ([] if self.diagonal else self.informed)
            for operation in feedbacks(plan, name, self.circuit.population, later=True)
        ]
        units = [phase.block(plan.rows[name], plan.group_name(name, "credit"), "update") for name in credited(plan)]
        forgetting = [
            Forget(f"{each.group}_{moment}", each.slots * each.size)
            for each in self.influences
            for moment in self.plan.moments(each.projection)
        ]
        shifts = [
            OfTrial("shift_slots", (Pointer(f"{each.group}_{moment}"), each.slots, each.size))
            for each in self.influences
            for moment in self.plan.moments(each.projection)
        ]
        step = [operation for each in self.influences for operation in self._moved_on(each)]
        trial = (*forgetting, Section((*self._jacobians(), *shifts, *step), loop="forward"))
        phase.sections = (Section((*heard, *units)), Section(trial, loop="trials"))
        return phase

    def _row(self, population: str, variable: str, delay: int = 0) -> Row:
        return Row(f"{self.plan.group_name(population, 'credit')}_{variable}", self.plan.rows[population], delay)

    def _rate(self, projection: str, squared: bool = False) -> Row:
        table = self.circuit.projection[projection]
        return Row(self.plan.rate_name(table.source, squared), self.plan.rows[table.source], table.delay)

    # --- from one step to the next

    def _jacobians(self) -> Iterable[Operation]:
        """∂h/∂r of every projection on which influences pass."""
        for name in self.passages:
            table, group = self.circuit.projection[name], self.plan.synapses_name(name)
            if not {table.source, table.target} <= set(credited(self.plan)):
                continue
            slope = self._row(table.source, "slope", table.delay)
            jacobian, sizes = Pointer(f"{group}_jacobian"), self._jacobian_sizes(name)
            kernel = "diagonal_jacobian" if self._is_diagonal(name) else "jacobian"
            yield OfTrial(kernel, (*sizes, Pointer(f"{group}_mu"), slope, jacobian))
            if self.plan.rules.synapses[name].varies:
                rest = slope, self._rate(name), self._row(table.target, "gain")
                yield OfTrial(f"{kernel}_of_variance", (*sizes, Pointer(f"{group}_v"), *rest, jacobian))

    def _is_diagonal(self, projection: str) -> bool:
        return self.diagonal or self.circuit.projection[projection].connect == "one-to-one"

    def _jacobian_sizes(self, projection: str) -> tuple[int, int]:
        """Post and pre; of a diagonal, its length and how far its weights lie apart."""
        post, pre = self.circuit.shape(projection)
        return (post, pre + 1 if pre > 1 else 1) if self._is_diagonal(projection) else (post, pre)

    def _moved_on(self, influence: Influence) -> Iterable[Operation]:
        """An influence at a step, and what is credited to its synapses."""
        group, population = self.plan.synapses_name(influence.projection), influence.population
        is_own = self.circuit.projection[influence.projection].target == population
        for moment, hebbian in zip(self.plan.moments(influence.projection), ("H1", "H2")):
            now, total = Pointer(f"{influence.group}_{moment}"), Pointer(f"{group}_{hebbian}")
            own = [self._own(influence, moment, now)] if is_own else []
            passed_on = list(self._passed_on(influence, moment, now))
            if self.diagonal:
                yield from (*passed_on, self._credited_by_unit(influence, now, total), *own)
            else:
                yield from (*own, *passed_on)
                if population in self.informed:
                    sizes = 1, influence.synapses, influence.units
                    yield OfTrial("sum_over_rows", (*sizes, self._row(population, "heard"), now, 1, total))

    def _credited_by_unit(self, influence: Influence, now: Pointer, total: Pointer) -> Operation:
        """A unit's error times what is left of earlier influences on it."""
        error = Row(f"{self.plan.group_name(influence.population, 'error')}_err", self.plan.rows[influence.population])
        return OfTrial("add_scaled_rows", (*self.circuit.shape(influence.projection), error, now, total))

    def _on(self, projection: str, population: str) -> Influence | None:
        found = (each for each in self.influences if (each.projection, each.population) == (projection, population))
        return next(found, None)

    def _own(self, influence: Influence, moment: str, now: Pointer) -> Operation:
        """∂h of the population by the moments of its own synapses."""
        connectivity = self.plan.connectivity(influence.projection)
        post, pre = connectivity.shape
        apart = pre if self.diagonal else influence.synapses + pre
        rate = self._rate(influence.projection, squared=moment == "v")
        if moment == "mu":
            return OfTrial(connectivity.own, (post, pre, apart, rate, now))
        gain = self._row(influence.population, "gain")
        return OfTrial(f"{connectivity.own}_scaled", (post, pre, apart, gain, rate, now))

    def _passed_on(self, influence: Influence, moment: str, now: Pointer) -> Iterable[Operation]:
        """What earlier beliefs, or those of populations before it, pass on."""
        for name in self.passages:
            table, jacobian = self.circuit.projection[name], Pointer(f"{self.plan.synapses_name(name)}_jacobian")
            before = self._on(influence.projection, table.source)
            if table.target != influence.population or before is None:
                continue
            then = Pointer(f"{before.group}_{moment}", Extent(fixed=table.delay * before.size))
            if self._is_diagonal(name):
                units = self.circuit.shape(name)[0]
                yield OfTrial("add_scaled_rows", (units, influence.size // units, jacobian, then, now))
            else:
                sizes = influence.units, influence.synapses, before.units
                yield OfTrial("sum_over_rows", (*sizes, jacobian, then, 1, now))
