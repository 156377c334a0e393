"""What a trained circuit makes of a text: the next symbol after each one, and texts that continue a prompt."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_mpc.descriptions.sources import SOURCES
from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.networks import launch
from neuro_mpc.networks.workspace import workspace
from neuro_mpc.runfile import access
from neuro_mpc.runfile.reading import open_run
from neuro_mpc.simulation import arguments
from neuro_mpc.simulation.plans import plan_of_reader
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.sampling import Weights, draw_weights
from neuro_mpc.simulation.trained import Source, Trained, load_trained
from neuro_mpc.stimuli.interface import END, UNKNOWN

NO_SYMBOL = -1


@dataclass
class _Network:
    """Weights drawn from a trained circuit, and the neural state after the last symbol; None before the first."""

    weights: Weights
    state: dict[str, np.ndarray] | None = None


class Reader:
    """A trained circuit that reads symbols one at a time, used as a context manager.

    run           a run file of a text or a toy language, or the opened run
    presentation  the snapshot to read with; None: the last one
    texts         texts that are read side by side
    networks      number of networks drawn from the learned distributions, whose outputs are averaged; 0: the
                  circuit as it learned, every input drawn from its mean and variance
    mean_weights  every weight at its mean
    seed          feeds the noise and the networks; None: that of the run
    backend       "numpy" needs no compiler

    symbols       their names by number

    Raises RunFileError for a run without symbols, RunError for numbers of texts or networks that are too small.
    """

    def __init__(
        self,
        run: Source,
        *,
        presentation: int | None = None,
        texts: int = 1,
        networks: int = 0,
        mean_weights: bool = False,
        seed: int | None = None,
        backend: str = "numpy",
    ):
        if texts < 1 or networks < 0:
            raise RunError(f"{texts} texts and {networks} networks", hint="at least 1 text, at least 0 networks")
        self.symbols = _symbols(run)
        self.trained: Trained = load_trained(run, presentation)
        self._table = self.trained.protocol.stimulus
        self._source = SOURCES.get(self._table.source)
        self.texts, self.networks, self.mean_weights = texts, networks, mean_weights
        self.seed, self.backend = self.trained.seed if seed is None else arguments.seed(seed), backend
        self._numbers = {name: number for number, name in enumerate(self.symbols)}
        self._count, self._stack = 0, ExitStack()

    def __enter__(self) -> Reader:
        plan = plan_of_reader(self.trained.circuit, self.trained.protocol, self.texts)
        with ExitStack() as stack:
            folder = stack.enter_context(workspace())
            program = stack.enter_context(launch.start(plan, launch.available(self.backend), folder))
            self._presenter = Presenter(program, plan, self.trained.protocol, self.seed, carries=True)
            self._presenter.load(self.trained.parameters)
            if self.mean_weights:
                stack.enter_context(self._presenter.noiseless())
            self._stack = stack.pop_all()
        self._drawn = [
            _Network(draw_weights(plan.circuit, self.trained.parameters, self.seed, network))
            for network in range(self.networks)
        ]
        return self

    def __exit__(self, *problem) -> None:
        self._stack.__exit__(*problem)

    def numbers(self, text: str) -> np.ndarray:
        """The symbols of a text, int (symbol,); those that the circuit does not know are `<unk>`, with a warning.

        Raises RunError where the circuit has no `<unk>`.
        """
        names = self._source.parted(self._table, text)
        if unknown := ", ".join(
            repr(name) if name.isspace() else name for name in dict.fromkeys(names) if name not in self._numbers
        ):
            if UNKNOWN not in self._numbers:
                raise RunError(f"the circuit knows no {unknown}", hint=f"one of {' '.join(self.symbols[:30])}")
            warnings.warn(f"not in the vocabulary, read as {UNKNOWN}: {unknown}", stacklevel=3)
        return np.array([self._numbers.get(name, self._numbers.get(UNKNOWN)) for name in names], np.int32)

    def joined(self, prompt: str, symbols: np.ndarray) -> str:
        """The text of a prompt and the numbers of the symbols after it, (symbol,)."""
        return self._source.joined(self._table, prompt, [self.symbols[symbol] for symbol in symbols])

    @property
    def end(self) -> int:
        """The symbol between sentences; −1 where there is none."""
        return self._numbers.get(END, NO_SYMBOL)

    def read(self, symbols: np.ndarray) -> np.ndarray:
        """Probabilities (text, symbol) of what comes next, after one symbol of each text, int (text,)."""
        if not self._drawn:
            output = self._read(symbols)
        else:
            outputs = [self._read_with(network, symbols) for network in self._drawn]
            output = np.mean(outputs, axis=0)
        self._count += 1
        return output

    def _read(self, symbols: np.ndarray) -> np.ndarray:
        nothing = np.full((1, self.texts), NO_SYMBOL)
        self._presenter.predict(np.asarray(symbols)[None], nothing, "reading", self._count, carrying=self._count > 0)
        return np.exp(self._presenter.neural_state.log_output()[0])

    def _read_with(self, network: _Network, symbols: np.ndarray) -> np.ndarray:
        """Read with one of the networks, which continues from its own state."""
        with self._presenter.fixed_weights(network.weights):
            if network.state is not None:
                self._presenter.carry(network.state)
            output = self._read(symbols)
        network.state = self._presenter.carried()
        return output


def generate(
    run: Source, prompt: str = "", *, length: int = 20, temperature: float = 1.0, number: int = 1, **reading
) -> list[str]:
    """Continue a prompt with a trained circuit.

    Parameters
    ----------
    run : str, path, xarray.DataTree or Trained
        The run of a text or of a toy language.
    prompt : str, optional
        The text to continue.
    length : int, optional
        Symbols of each text.
    temperature : float, optional
        Each symbol is drawn with a probability ∝ output^(1/temperature); 0: the most probable one.
    number : int, optional
        Texts.
    **reading : object
        Options `presentation`, `networks`, `mean_weights`, `seed` and `backend` of
        `neuro_mpc.simulation.generation.Reader`.

    Returns
    -------
    list of str
        The prompt with its continuation, one for each text.

    Raises
    ------
    RunFileError
        The run has no symbols.
    RunError
        Length, temperature or a number is out of range, or the circuit does not know a symbol of the prompt.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> [text] = nm.generate("run.nc", "ace", length=5, seed=1)  # doctest: +SKIP
    >>> text[:3], len(text)  # doctest: +SKIP
    ('ace', 8)
    """
    if length < 1 or not temperature >= 0:
        raise RunError(f"a length of {length}, a temperature of {temperature}", hint="1 or more, 0 or more")
    with Reader(run, texts=number, **reading) as reader:
        rng = np.random.default_rng([reader.seed, number])
        beginning = [symbol for symbol in (reader.end, *reader.numbers(prompt)) if symbol != NO_SYMBOL]
        if not beginning:
            raise RunError("there is no text to continue", hint=f'a prompt, such as "{reader.symbols[0]}"')
        for symbol in beginning:
            output = reader.read(np.full(number, symbol))
        symbols = [_drawn_symbols(output, temperature, rng)]
        while len(symbols) < length:
            symbols.append(_drawn_symbols(reader.read(symbols[-1]), temperature, rng))
        return [reader.joined(prompt, text) for text in np.stack(symbols, axis=1)]


def next_symbols(run: Source, text: str, **reading) -> xr.DataArray:
    """Predict the next symbol at each position of a text.

    Parameters
    ----------
    run : str, path, xarray.DataTree or Trained
        The run of a text.
    text : str
        The text to read.
    **reading : object
        Options `presentation`, `networks`, `mean_weights`, `seed` and `backend` of
        `neuro_mpc.simulation.generation.Reader`.

    Returns
    -------
    xarray.DataArray
        Probability (position, symbol) of each symbol after the first `position` symbols of the text. The coordinate
        `symbol` has their names, `text` (position) the symbols that follow in the text, ``<eos>`` at the end.

    Raises
    ------
    RunFileError
        The run has no symbols, or no ``<eos>`` to begin with.
    RunError
        A number is out of range, or the circuit does not know a symbol of the text.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> probability = nm.next_symbols("text.nc", "a b")  # doctest: +SKIP
    >>> probability.dims  # doctest: +SKIP
    ('position', 'symbol')
    """
    with Reader(run, **reading) as reader:
        if reader.end == NO_SYMBOL:
            raise RunFileError("the symbols of this run have no <eos> to start from", hint="a run of a text")
        symbols = [reader.end, *reader.numbers(text)]
        outputs = [reader.read(np.array([symbol]))[0] for symbol in symbols]
        following = [reader.symbols[symbol] for symbol in (*symbols[1:], reader.end)]
        return xr.DataArray(
            np.stack(outputs),
            dims=("position", "symbol"),
            name="probability",
            coords={"symbol": reader.symbols, "text": ("position", following)},
            attrs={
                "long_name": "probability of the next symbol",
                "units": "1",
                "presentation": reader.trained.presentation,
            },
        )


def _drawn_symbols(output: np.ndarray, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """One symbol for each text, from probabilities (text, symbol)."""
    if temperature == 0:
        return output.argmax(axis=1)
    # The largest of log p / temperature and Gumbel noise is a draw from the tempered distribution.
    with np.errstate(divide="ignore"):
        return (np.log(output) / temperature + rng.gumbel(size=output.shape)).argmax(axis=1)


def _symbols(run: Source) -> list[str]:
    with _opened(run) as opened:
        return access.symbols(opened)


@contextmanager
def _opened(run: Source) -> Iterator[xr.DataTree]:
    source = run.source if isinstance(run, Trained) else run
    if isinstance(source, xr.DataTree):
        yield source
    else:
        with open_run(source, careful=True) as opened:
            yield opened
