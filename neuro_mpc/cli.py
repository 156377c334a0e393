"""The command line.  What is slow to import is imported by the command that needs it."""

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import neuro_mpc as nm
from neuro_mpc.runs.progress import console_of_output, measured, progress_on, written_on
from neuro_mpc.runs.quantities import duration
from neuro_mpc.runs.terminal import mention, write_result
from neuro_mpc.spelling import command_line

if TYPE_CHECKING:
    from xarray import DataTree

    from neuro_mpc.descriptions.protocol import ExperimentProtocol

FAILED, REFUSED, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    help="Predictive-coding circuits with distributional synapses.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

CircuitName = Annotated[str, typer.Argument(metavar="CIRCUIT", help="A name (see `list`) or a path.")]
ProtocolName = Annotated[str, typer.Argument(metavar="PROTOCOL", help="A name (see `list`) or a path.")]

FirstName = Annotated[
    str, typer.Argument(metavar="CIRCUIT", help="A name (see `list`) or a path; left out with --from.")
]
SecondName = Annotated[
    str | None, typer.Argument(metavar="PROTOCOL", help="A name (see `list`) or a path.", show_default=False)
]
Start = Annotated[
    Path | None,
    typer.Option("--from", metavar="RUN", help="Start from the circuit that this run file has learned."),
]
StartAt = Annotated[
    int | None,
    typer.Option("--from-presentation", metavar="K", min=0, help="Its snapshot after K; by default the last one."),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, show_default=False, help="The same seed gives the same run; by default 0, or that of --from."),
]
Backend = Annotated[Literal["cpp", "cython", "numpy"], typer.Option(help="cpp and cython need a C++ compiler.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the matrix products.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Such as circuit.population.hidden.size=50."),
]


def _print_version(requested: bool) -> None:
    if requested:
        with _errors_reported():
            write_result(f"neuro-mpc {nm.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    circuit: FirstName,
    protocol: SecondName = None,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The run file (netCDF) to write.")],
    start: Start = None,
    start_at: StartAt = None,
    seed: Seed = None,
    backend: Backend = "cpp",
    threads: Threads = 1,
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Resume though circuit, protocol or machine changed.")
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How much of a run a crash may cost.")
    ] = 10.0,
) -> None:
    """Run a protocol on a circuit, or with --from on a trained one, and write the run file."""
    if overwrite and resume:
        raise typer.BadParameter("--overwrite starts again, --resume continues: choose one")
    with _errors_reported(), _interruption_reported(out):
        setup = _setup(circuit, protocol, settings, start=start, start_at=start_at, seed=seed)
        begin = time.perf_counter()
        with progress_on(console_of_output()) as progress:
            finished = nm.simulate(
                setup.circuit,
                setup.protocol,
                start=setup.start,
                seed=setup.seed,
                backend=backend,
                threads=threads,
                out=out,
                overwrite=overwrite,
                resume=resume,
                accept_changes=accept_changes,
                checkpoint_every=checkpoint_every,
                progress=progress,
            )
            progress.finish(summary(out, finished, time.perf_counter() - begin))


@app.command()
def sweep(
    circuit: CircuitName,
    protocol: ProtocolName,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="For the run files, and sweep.nc with all measures.")],
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE,…", help="Such as protocol.stimulus.load=0.1,0.5,1; may be repeated."),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="Such as 3 or 0,2,5 or 0:5 (0 to 4).")] = "0",
    backend: Backend = "cpp",
    threads: Threads = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time; by default as many as fit.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a dask scheduler whose workers run the members.")
    ] = None,
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Run all members again.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Resume unfinished members though the machine changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and print the grid, run nothing.")] = False,
) -> None:
    """Run a protocol on a circuit for all combinations of values and seeds.

    The same command again runs what is missing.
    """
    with _errors_reported(), _sweep_interruption_reported():
        from neuro_mpc.sweeps.grid import parse_over, parse_seeds
        from neuro_mpc.sweeps.progress import sweep_progress_on
        from neuro_mpc.sweeps.sweep import failures

        values, seed_numbers = parse_over(over or []), parse_seeds(seeds)
        setup = _setup(circuit, protocol, settings)
        with sweep_progress_on(console_of_output()) as progress:
            dataset = nm.sweep(
                setup.circuit,
                setup.protocol,
                values,
                seed_numbers,
                out=out,
                backend=backend,
                threads=threads,
                workers=workers,
                scheduler=scheduler,
                overwrite=overwrite,
                accept_changes=accept_changes,
                dry_run=dry_run,
                progress=progress,
            )
        if dry_run:
            return
        mention(out / "sweep.nc", sys.stdout)
        if text := failures(dataset):
            mention(f"neuro-mpc: {text}\nthe same command runs them again", sys.stderr)
            raise typer.Exit(FAILED)


@app.command()
def check(
    circuit: FirstName,
    protocol: SecondName = None,
    start: Start = None,
    start_at: StartAt = None,
    seed: Seed = None,
    backend: Backend = "cpp",
    threads: Threads = 1,
    settings: Settings = None,
) -> None:
    """Check everything that `run` would, without running; estimate memory, disk space and time."""
    with _errors_reported():
        from neuro_mpc.runs.estimate import as_text

        setup = _setup(circuit, protocol, settings, start=start, start_at=start_at, seed=seed)
        estimate = nm.check(
            setup.circuit, setup.protocol, start=setup.start, seed=setup.seed, backend=backend, threads=threads
        )
        write_result(as_text(estimate))


@app.command()
def show(
    circuit: CircuitName,
    latex: Annotated[bool, typer.Option("--latex", help="Print a complete LaTeX document.")] = False,
) -> None:
    """Print the equations derived from a circuit."""
    with _errors_reported():
        from neuro_mpc.rules.show import as_latex, as_text

        write_result((as_latex if latex else as_text)(nm.load_circuit(circuit)))


@app.command()
def draw(
    circuit: CircuitName,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .png, .svg or .pdf file; by default CIRCUIT.png.")
    ] = None,
    font: Annotated[str | None, typer.Option(metavar="FAMILY", help="The font to prefer.")] = None,
    settings: Settings = None,
) -> None:
    """Draw a circuit and print the path of the drawing."""
    with _errors_reported(), _warnings_reported():
        from neuro_mpc.descriptions.loading import parse_settings
        from neuro_mpc.plots.circuit import save

        described = nm.load_circuit(circuit, parse_settings(settings or [])[0])
        mention(save(described, out or Path(f"{Path(circuit).stem}.png"), font), sys.stdout)


@app.command(name="list")
def list_shipped() -> None:
    """List circuits, protocols and synapse types that come with the package, and installed sources and experiments."""
    with _errors_reported():
        from neuro_mpc.descriptions.experiments import ExperimentTable
        from neuro_mpc.descriptions.loading import shipped
        from neuro_mpc.descriptions.sources import StimulusTable

        catalogue = {
            "circuits": shipped("circuit"),
            "protocols": shipped("protocol"),
            "synapse types": shipped("synapse"),
            "stimuli": StimulusTable.descriptions(),
            "experiments": ExperimentTable.descriptions(),
        }
        for kind, descriptions in catalogue.items():
            width = max(map(len, descriptions), default=0)
            write_result(kind)
            for name, description in descriptions.items():
                write_result(f"  {name:{width}}  {description}".rstrip())


@app.command()
def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="A run file; several, for one figure of them all.")],
    figure: Annotated[str | None, typer.Option(metavar="NAME", help="Draw this figure only.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A file or a folder.")] = None,
    font: Annotated[str | None, typer.Option(metavar="FAMILY", help="The font to prefer.")] = None,
) -> None:
    """Draw the figures of a run file and print their paths."""
    with _errors_reported(), ExitStack() as stack:
        from neuro_mpc.runfile.reading import reading

        with _warnings_reported():
            trees = [stack.enter_context(closing(nm.open_run(run, careful=True))) for run in runs]
        with reading(Path(", ".join(map(str, runs)))), _warnings_reported():
            paths = nm.plot_run(trees if len(trees) > 1 else trees[0], figure, out, font)
        for path in paths:
            mention(path, sys.stdout)


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file of a text or a toy language.")],
    prompt: Annotated[str, typer.Option(help="The beginning of the text.")] = "",
    length: Annotated[int, typer.Option(min=1, help="Words, or characters, to generate.")] = 20,
    temperature: Annotated[float, typer.Option(min=0, help="0: always the most probable one.")] = 1.0,
    number: Annotated[int, typer.Option(min=1, help="Texts.")] = 1,
    networks: Annotated[
        int, typer.Option(metavar="N", min=0, help="Mean output of N networks drawn from the learned weights.")
    ] = 0,
    mean_weights: Annotated[bool, typer.Option("--mean-weights", help="Every weight at its mean.")] = False,
    start_at: StartAt = None,
    seed: Seed = None,
    backend: Backend = "numpy",
) -> None:
    """Let a trained circuit continue a text, and print the text."""
    with _errors_reported(), _warnings_reported():
        texts = nm.generate(
            run,
            prompt,
            length=length,
            temperature=temperature,
            number=number,
            networks=networks,
            mean_weights=mean_weights,
            presentation=start_at,
            seed=seed,
            backend=backend,
        )
        for text in texts:
            write_result(text)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="An .html file, or a folder.")] = None,
) -> None:
    """Write a report of a run, one self-contained HTML page, and print its path."""
    with _errors_reported(), _warnings_reported():
        from neuro_mpc.runfile.reading import reading

        with closing(nm.open_run(run, careful=True)) as tree, reading(run):
            path = nm.report(tree, out)
        mention(path, sys.stdout)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file with neural traces.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="The .nwb file to write.")],
    step_duration: Annotated[
        float | None,
        typer.Option(
            metavar="MS", min=0.001, help="Duration of a step, where the run does not tell it.", show_default=False
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
) -> None:
    """Write traces, stimuli and provenance of a run to an NWB file, and print its path."""
    with _errors_reported(), written_on(console_of_output()) as progress:
        from neuro_mpc.runfile.reading import reading

        with closing(nm.open_run(run, careful=True)) as tree, reading(run):
            path = nm.export(tree, to, step_duration=step_duration, overwrite=overwrite, progress=progress)
    mention(path, sys.stdout)


def summary(out: Path, finished: "DataTree", seconds: float) -> str:
    """A run in one line: `run.nc: 125 presentations in 3.2 s, correct letter ratio 1.000`.

    The measure is that of the evaluation after learning, or of the last test.
    """
    if "experiment" in finished.children:
        kind, start = finished["experiment"].attrs["kind"], finished.attrs["start_run"]
        return f"{out}: {kind} on {start} in {duration(seconds)}"
    from neuro_mpc.runfile.access import final_measure

    presentations = finished["learning"].sizes["presentation"]
    learned = f"{out}: {presentations} presentations in {duration(seconds)}"
    measure = final_measure(finished)
    line = f"{learned}, {measured(measure)}" if measure else learned
    return "\nwarning: ".join([line, *finished.attrs.get("warning", "").splitlines()])


@dataclass(frozen=True)
class _Setup:
    """The descriptions, the trained circuit to start from, if any, and the seed."""

    circuit: "nm.Circuit"
    protocol: "nm.Protocol | ExperimentProtocol"
    seed: int
    start: "nm.Trained | None" = None


def _setup(
    first: str,
    second: str | None,
    settings: list[str] | None,
    *,
    start: Path | None = None,
    start_at: int | None = None,
    seed: int | None = None,
) -> _Setup:
    """What the arguments CIRCUIT PROTOCOL, or --from RUN and PROTOCOL, and the settings stand for."""
    from neuro_mpc.descriptions.loading import changed, parse_settings
    from neuro_mpc.simulation.trained import on_task_of

    for_circuit, for_protocol = parse_settings(settings or [])
    if start is None:
        if second is None or start_at is not None:
            missing = "'PROTOCOL'" if second is None else "'--from'"
            raise typer.BadParameter(f"Missing {missing}: CIRCUIT and PROTOCOL, or --from RUN and PROTOCOL")
        return _Setup(nm.load_circuit(first, for_circuit), nm.load_protocol(second, for_protocol), seed or 0)
    if second is not None:
        raise typer.BadParameter(f"--from takes the circuit of {start}: leave {first} out, or use --set")
    trained = nm.load_trained(start, start_at)
    protocol = changed(on_task_of(nm.load_protocol(first), trained), for_protocol)
    circuit = changed(trained.unsized(), for_circuit)
    return _Setup(circuit, protocol, trained.seed if seed is None else seed, trained)


@contextmanager
def _errors_reported() -> Iterator[None]:
    """Errors that the user can mend are printed on stderr without a traceback, with the options of the command line."""
    with command_line():
        try:
            yield
        except nm.NeuroMPCError as error:
            mention(f"neuro-mpc: {error}", sys.stderr)
            raise typer.Exit(REFUSED) from None


@contextmanager
def _warnings_reported() -> Iterator[None]:
    """Warnings are printed on stderr, once each, without the place in our code that issued them."""
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", UserWarning)
        yield
    for message in dict.fromkeys(str(warning.message) for warning in records):  # several figures may say the same
        mention(f"neuro-mpc: {message}", sys.stderr)


@contextmanager
def _interruption_reported(out: Path) -> Iterator[None]:
    """Ctrl-C is handled by the run, which closes its file; here its path is printed."""
    try:
        yield
    except KeyboardInterrupt:
        from neuro_mpc.runfile.paths import partial_path

        partial = partial_path(out)
        state = f"{partial} can be read, --resume continues it" if partial.exists() else "nothing was recorded"
        mention(f"neuro-mpc: interrupted: {state}", sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _sweep_interruption_reported() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        mention("neuro-mpc: interrupted: the same command resumes it", sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
