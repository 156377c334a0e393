"""A circuit's network in this process: shown trials, stepped by phases, every variable at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.loading import as_circuit, as_protocol, changed
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.errors import RunError, did_you_mean
from neuro_mpc.networks.layout import groups
from neuro_mpc.runs.preparation import NameOrPath, Preparation, prepare
from neuro_mpc.simulation.arguments import whole_number
from neuro_mpc.simulation.given import Shown, by_population, numbers_of_trials
from neuro_mpc.simulation.stepping import SteppedPresenter
from neuro_mpc.simulation.trained import Source
from neuro_mpc.simulation.variables import NEURAL, SYNAPTIC, Variables
from neuro_mpc.stimuli.interface import SPLITS, Split

if TYPE_CHECKING:
    import brian2

MOMENTS = ("mu", "v")
MOST_TRIALS = 1_000_000


@contextmanager
def _hook_kept() -> Iterator[None]:
    """Brian2 reports every error of a session that imports it as one of its own, and not at all that it was
    interrupted."""
    hook = sys.excepthook
    try:
        yield
    finally:
        sys.excepthook = hook


def network(
    circuit: Circuit | NameOrPath | None,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    backend: str = "numpy",
    *,
    seed: int | None = None,
    trials: int = 1,
    start: Source | None = None,
    data: Any = None,
) -> Network:
    """Make the network of a circuit in this process, to be looked at and stepped.

    What it computes is what a run computes, with the same seed, trials and backend.

    Parameters
    ----------
    circuit : Circuit, str or path, or None
        A circuit, its name, or the path of its TOML file; None: that of `start`.
    protocol : Protocol, str or path
        Whose trials are shown, and how inference and learning proceed.
    backend : {"numpy", "cython"}, default: "numpy"
        Target of Brian2's code generation. "cpp" is a program of its own: `simulate` runs it.
    seed : int, optional
        Seed of the initial parameters and of the noise; None: that of `start`, else 0.
    trials : int, default: 1
        Trials that are shown at a time. ``protocol.learning.batch`` of them learn as a run does.
    start : str, path, xarray.DataTree or Trained, optional
        A run whose learned parameters the network begins with.
    data : xarray.Dataset, xarray.DataArray or dict of str to array, optional
        Data of the source "arrays", as for `simulate`.

    Returns
    -------
    Network
        Also a context manager, which closes it.

    Raises
    ------
    DescriptionError
        Circuit and protocol do not fit.
    RunError
        The backend is none of a process, or needs a compiler that is missing.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> circuit = nm.load_circuit("mpl", {"population.hidden.size": 10})
    >>> with nm.network(circuit, "toy-language") as net:
    ...     traces = net.present(0)
    >>> dict(traces["hidden/belief"].sizes)
    {'step': 10, 'trial': 1, 'unit': 10}
    """
    if backend == "cpp":
        hint = 'backend="numpy" or backend="cython"; nm.simulate runs compiled programs'
        raise RunError("the backend 'cpp' makes a program of its own, not a network in this process", hint=hint)
    trials = whole_number("trials", trials, 1, MOST_TRIALS)
    if isinstance(protocol := as_protocol(protocol), Protocol):
        protocol = changed(protocol, {"learning.batch": trials})
    circuit = None if circuit is None else as_circuit(circuit)
    prepared = prepare(circuit, protocol, start=start, data=data, seed=seed, backend=backend, threads=1)
    return Network(prepared)


class Network:
    """A circuit's Brian2 network in this process; `network` makes it.

    Groups are those of Brian2, by name as in a Brian2 `Network`: ``net["hidden_belief"].r`` is Brian2's array with an
    element for each row and unit. ``net["hidden_belief", "r"]`` is the same variable as a labelled array, and can be
    set. Of a population P there are P_belief, P_prediction and P_error, P_stimulus of what is shown; of a projection
    Q there is Q_synapses.

    Parameters
    ----------
    prepared : Preparation
        What `network` has checked and drawn.

    Attributes
    ----------
    circuit : Circuit
        With all its sizes.
    protocol : Protocol
        As it is used, with the trials of this network as its batch.
    presentations : int
        Presentations that were learned.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> net = nm.network(nm.load_circuit("pc", {"population.hidden.size": 5}), "toy-language")
    >>> net.show(0)
    >>> net.predict()
    >>> before = float(net.energies()["loss"].sum())
    >>> net.infer(iterations=20)
    >>> net.learn()
    >>> net["hidden_error", "err"].dims
    ('step', 'trial', 'unit')
    >>> print(net.equations["recurrent_synapses"].splitlines()[1])
    mu = m/n : 1 (constant over dt)
    """

    def __init__(self, prepared: Preparation):
        with _hook_kept():
            from neuro_mpc.networks.local import LocalProgram  # Brian2 takes seconds to import

        self._run, self.presentations = prepared, 0
        self.circuit, self.protocol = prepared.circuit, prepared.protocol
        self._program = LocalProgram(prepared.plan, prepared.backend)
        self._presenter = SteppedPresenter(self._program, prepared.plan, self.protocol, prepared.seed)
        self._presenter.load(prepared.parameters)
        self._variables = Variables(self._program, prepared.plan, self.groups)
        self._shown = self._has_target = False

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.close()

    def __repr__(self) -> str:
        return f"<Network of {self.circuit.name} on {self.protocol.name}: {', '.join(self.groups)}>"

    # --- Brian2

    @property
    def brian(self) -> brian2.Network:
        """The Brian2 network: its groups, and the code objects of the phases.

        Returns
        -------
        brian2.Network
            Its `run` would repeat the phases that ran last; the methods of this class run single ones.
        """
        return self._program.model.network

    @property
    def groups(self) -> dict[str, Any]:
        """The Brian2 groups.

        Returns
        -------
        dict of str to brian2.Group
            By name: neurons, synapses and "control", which holds the scalars.
        """
        return dict(self._program.model.groups)

    @property
    def equations(self) -> dict[str, str]:
        """The equations of the groups, as Brian2 was given them.

        Returns
        -------
        dict of str to str
            Name of a group → its equation strings.
        """
        return {group.name: group.equations for group in groups(self._run.plan)}

    def __getitem__(self, key: str | tuple[str, str]) -> Any:
        return self._variables.group(key) if isinstance(key, str) else self._variables.get(*key)

    def __setitem__(self, key: tuple[str, str], value: ArrayLike) -> None:
        place = self._variables.set(*key, value)
        if key[0] == "control":
            self._presenter.set_flags()
        if place.dims == SYNAPTIC:
            self._presenter.use_moments() if key[1] in MOMENTS else self._presenter.refresh()

    # --- presentations

    def show(
        self, stimulus: Shown | int | Sequence[int] = 0, target: Shown | None = None, split: Split = "train"
    ) -> None:
        """Set what is given to the circuit; nothing runs yet.

        Parameters
        ----------
        stimulus : int or sequence of int, or array, or dict of str to array, default: 0
            Numbers of trials of the protocol, as many as the network shows at a time. Or a stimulus of your own:
            (step, trial, unit), of one trial also (step, unit); whole numbers (step, trial) or (step,) stand for
            classes or symbols. A dict names populations.
        target : array or dict of str to array, optional
            Target of your own, likewise; only with a stimulus of your own. None: the circuit can predict, not infer.
        split : {"train", "validation", "test"}, default: "train"
            Whose trials the numbers are.

        Raises
        ------
        RunError
            There are no such trials, or an array has another shape.
        """
        if (numbers := numbers_of_trials(stimulus)) is not None:
            stimuli, targets = self._trials(numbers, split)
        else:
            stimuli = by_population(self._run.plan, stimulus, self.circuit.stimuli)
            targets = {} if target is None else by_population(self._run.plan, target, self.circuit.targets)
        self._has_target = bool(targets)
        self._presenter.show(stimuli, targets, self.presentations)
        self._shown = True

    def predict(self) -> None:
        """Run the ancestral pass: every belief becomes its prediction, step by step.

        Raises
        ------
        RunError
            Nothing was shown.
        """
        self._require_shown()
        self._presenter.ancestral_pass()

    def infer(self, iterations: int | None = None) -> None:
        """Let beliefs settle, by the scheme of the protocol.

        "relaxation" of whole sequences continues from where the beliefs are; other schemes, and windows, begin again
        with each call.

        Parameters
        ----------
        iterations : int, optional
            Iterations to run; None: those of the protocol.

        Raises
        ------
        RunError
            Nothing was shown, or no target.
        """
        self._require_target()
        planned = self.protocol.inference.iterations_at(self.presentations)
        self._presenter.settle(planned if iterations is None else whole_number("iterations", iterations, 0, 10**9))

    def learn(self, rate: float | None = None) -> None:
        """Change every parameter by what its two ends know: one step of the optimiser.

        With ``learning.every = "step"`` each step of the presentation is inferred once more, and learned from, before
        the next: as many steps of the optimiser.

        Parameters
        ----------
        rate : float, optional
            Learning rate; None: that of the protocol's schedule.

        Raises
        ------
        RunError
            Nothing was shown, or no target; or the protocol leaves the rate to a range test.
        """
        self._require_target()
        if rate is None and self._run.course.base_rate is None:
            raise RunError('learning.rate is "auto", which runs find', hint="net.learn(rate=0.01)")
        self._presenter.adapt(self.presentations, self._run.course.rate(self.presentations) if rate is None else rate)
        self.presentations += 1

    def present(
        self, stimulus: Shown | int | Sequence[int] = 0, target: Shown | None = None, split: Split = "train"
    ) -> xr.DataTree:
        """Show, predict and infer; nothing is learned.

        Parameters
        ----------
        stimulus : int or sequence of int, or array, or dict of str to array, default: 0
            As for `show`.
        target : array or dict of str to array, optional
            As for `show`. Without a target there is no inference.
        split : {"train", "validation", "test"}, default: "train"
            As for `show`.

        Returns
        -------
        xarray.DataTree
            The neural state, as `traces` gives it.

        Raises
        ------
        RunError
            There are no such trials, or an array has another shape.
        """
        self.show(stimulus, target, split)
        self.predict()
        if self._has_target:
            self.infer()
        return self.traces()

    def traces(self) -> xr.DataTree:
        """The neural state now.

        Returns
        -------
        xarray.DataTree
            A node for each population with its belief, prediction, error, rate and noise, those of them that it has:
            (step, trial, unit).
        """
        found = self._presenter.neural_state.traces()
        return xr.DataTree.from_dict(
            {
                population: xr.Dataset({name: (NEURAL, values) for name, values in variables.items()})
                for population, variables in found.items()
            }
        )

    def energies(self) -> xr.Dataset:
        """The free energy of each trial, after the last prediction or inference.

        Returns
        -------
        xarray.Dataset
            `hidden`, of the errors of free populations, and `loss`, of the output, in nats: (trial,).
        """
        hidden, loss = self._presenter.energies()
        return xr.Dataset({"hidden": ("trial", hidden), "loss": ("trial", loss)})

    @property
    def parameters(self) -> dict[str, xr.Dataset]:
        """The parameters of all synapses now.

        Returns
        -------
        dict of str to xarray.Dataset
            Projection → a variable for each parameter, (post, pre), NaN where there is no synapse. Where the precision
            of a population NAME is learned, also ``precision/NAME`` → ``log_precision``, (post, 1).
        """
        return {
            projection: xr.Dataset({name: (SYNAPTIC, values) for name, values in parameters.items()})
            for projection, parameters in self._presenter.parameters().items()
        }

    def refresh(self) -> None:
        """Bring the moments of the weights up to date, after parameters were set through Brian2's own arrays."""
        self._presenter.refresh()

    # --- what is asked for

    def _trials(self, numbers: Sequence[int], split: Split) -> tuple[dict, dict]:
        """What the numbered trials give to populations."""
        if split not in SPLITS:
            raise RunError(f"there is no split {split!r}", hint=did_you_mean(split, SPLITS) or ", ".join(SPLITS))
        data, wanted = self._run.data, self._run.plan.trials
        if len(numbers) != wanted:
            hint = f"{wanted} numbers, or nm.network(…, trials={len(numbers)})"
            raise RunError(f"{len(numbers)} trials for a network that shows {wanted} at a time", hint=hint)
        most = data.size(split)
        if not all(0 <= number < most for number in numbers):
            raise RunError(f"the split {split!r} has {most:,} trials", hint=f"numbers from 0 to {most - 1:,}")
        return data.presented(split, np.asarray(numbers))

    def _require_shown(self) -> None:
        if not self._shown:
            raise RunError("nothing was shown yet", hint="net.show(0) shows the first trial")

    def _require_target(self) -> None:
        self._require_shown()
        if not self._has_target:
            raise RunError("no target was shown", hint="net.show(stimulus, target)")
