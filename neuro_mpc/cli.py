"""The command line.  What is slow to import is imported by the command that needs it."""

import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import neuro_mpc as nm
from neuro_mpc.quantities import duration
from neuro_mpc.runs.progress import console_of_output, measured, progress_on
from neuro_mpc.spelling import command_line

if TYPE_CHECKING:
    from xarray import DataTree

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
    typer.Option("--from-presentation", metavar="K", min=0, help="Its snapshot after K; else the last one."),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, show_default=False, help="The same seed gives the same run; else 0 or as --from."),
]
Backend = Annotated[Literal["cpp", "cython", "numpy"], typer.Option(help="cpp and cython need a C++ compiler.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the matrix products.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Such as circuit.population.hidden.size=50."),
]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"neuro-mpc {nm.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
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
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Resume though circuit, protocol or machine changed.")
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How much of a run a crash may cost.")
    ] = 10.0,
) -> None:
    """Run a protocol on a circuit, or with --from on a trained one, and write the run file."""
    if overwrite and resume:
        raise typer.BadParameter("--overwrite starts anew, --resume goes on: choose one")
    with _errors_told(), _interruption_told(out):
        described, begun = _described(circuit, protocol, start, start_at, seed, settings or [])
        machine = {"backend": backend, "threads": threads}
        written = {"out": out, "overwrite": overwrite, "resume": resume}
        resumed = {"accept_changes": accept_changes, "checkpoint_every": checkpoint_every}
        clock = time.perf_counter()
        with progress_on(console_of_output()) as progress:
            finished = nm.simulate(*described, progress=progress, **begun, **machine, **written, **resumed)
            progress.finish(summary(out, finished, time.perf_counter() - clock))


@app.command()
def sweep(
    circuit: CircuitName,
    protocol: ProtocolName,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="For a run file each, and sweep.nc with all.")],
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE,…", help="Such as protocol.stimulus.load=0.1,0.5,1; may be repeated."),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="Such as 3 or 0,2,5 or 0:5 (0 to 4).")] = "0",
    backend: Backend = "cpp",
    threads: Threads = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time; as many as fit, if not given.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a dask scheduler whose workers run the members.")
    ] = None,
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Run all members anew.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on with unfinished members though the machine changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and print the grid, run nothing.")] = False,
) -> None:
    """Run a protocol on a circuit for all combinations of values and seeds.

    The same command again runs what is missing.
    """
    with _errors_told(), _sweep_interruption_told():
        from neuro_mpc.sweeps.grid import parse_over, parse_seeds
        from neuro_mpc.sweeps.progress import sweep_progress_on
        from neuro_mpc.sweeps.sweep import failures

        grid = parse_over(over or []), parse_seeds(seeds)
        described, _ = _described(circuit, protocol, None, None, None, settings or [])
        chosen = {"backend": backend, "threads": threads, "workers": workers, "scheduler": scheduler}
        again = {"overwrite": overwrite, "accept_changes": accept_changes, "dry_run": dry_run}
        with sweep_progress_on(console_of_output()) as progress:
            found = nm.sweep(*described, *grid, out=out, progress=progress, **chosen, **again)
        if dry_run:
            return
        typer.echo(out / "sweep.nc")
        if failed := failures(found):
            typer.echo(f"neuro-mpc: {failed}\nthe same command runs them again", err=True)
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
    """Check everything that `run` would, without running; tell memory, disk and time."""
    with _errors_told():
        from neuro_mpc.runs.estimate import as_text

        described, begun = _described(circuit, protocol, start, start_at, seed, settings or [])
        typer.echo(as_text(nm.check(*described, **begun, backend=backend, threads=threads)))


@app.command()
def show(
    circuit: CircuitName,
    latex: Annotated[bool, typer.Option("--latex", help="Print a complete LaTeX document.")] = False,
) -> None:
    """Print the equations derived from a circuit."""
    with _errors_told():
        from neuro_mpc.rules.show import as_latex, as_text

        typer.echo((as_latex if latex else as_text)(nm.load_circuit(circuit)))


@app.command(name="list")
def list_shipped() -> None:
    """List circuits and protocols that come with the package, and the sources of stimuli that are installed."""
    with _errors_told():
        from neuro_mpc.descriptions.loading import shipped
        from neuro_mpc.descriptions.sources import StimulusTable

        listed = {
            "circuits": shipped("circuit"),
            "protocols": shipped("protocol"),
            "stimuli": StimulusTable.described(),
        }
        for kind, known in listed.items():
            width = max(map(len, known), default=0)
            typer.echo(kind)
            for name, description in known.items():
                typer.echo(f"  {name:{width}}  {description}".rstrip())


@app.command()
def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="A run file; several, for one figure of them all.")],
    figure: Annotated[str | None, typer.Option(metavar="NAME", help="Draw this figure only.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A file or a folder.")] = None,
    font: Annotated[str | None, typer.Option(metavar="FAMILY", help="A font that is asked first.")] = None,
) -> None:
    """Draw the figures of a run file and print where they are."""
    with _errors_told(), ExitStack() as stack:
        from neuro_mpc.runfile.reading import reading

        with _warnings_told():
            opened = [stack.enter_context(closing(nm.open_run(run, careful=True))) for run in runs]
        with reading(Path(", ".join(map(str, runs)))), _warnings_told():
            drawn = nm.plot_run(opened if len(opened) > 1 else opened[0], figure, out, font)
        for path in drawn:
            typer.echo(path)


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file of a text or a toy language.")],
    prompt: Annotated[str, typer.Option(help="What to go on from.")] = "",
    length: Annotated[int, typer.Option(min=1, help="Words, or characters, to generate.")] = 20,
    temperature: Annotated[float, typer.Option(min=0, help="0: always the most probable one.")] = 1.0,
    number: Annotated[int, typer.Option(min=1, help="Texts.")] = 1,
    networks: Annotated[
        int, typer.Option(min=0, help="Mean output of so many networks drawn from the learned weights.")
    ] = 0,
    mean_weights: Annotated[bool, typer.Option("--mean-weights", help="Every weight at its mean.")] = False,
    start_at: StartAt = None,
    seed: Seed = None,
    backend: Backend = "numpy",
) -> None:
    """Let a trained circuit go on with a text, and print what it says."""
    with _errors_told(), _warnings_told():
        chosen = {"networks": networks, "mean_weights": mean_weights, "presentation": start_at, "seed": seed}
        said = {"length": length, "temperature": temperature, "number": number, "backend": backend}
        for text in nm.generate(run, prompt, **said, **chosen):
            typer.echo(text)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="An .html file, or a folder.")] = None,
) -> None:
    """Write a report of a run, one HTML page that needs nothing else, and print where it is."""
    with _errors_told():
        from neuro_mpc.runfile.reading import reading

        with closing(nm.open_run(run, careful=True)) as opened, reading(run):
            typer.echo(nm.report(opened, out))


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


def _described(
    first: str,
    second: str | None,
    start: Path | None,
    start_at: int | None,
    seed: int | None,
    settings: list[str],
) -> tuple[tuple["nm.Circuit", "nm.Protocol"], dict[str, object]]:
    """Circuit and protocol, and how they begin: the run to start from, if any, and the seed."""
    from neuro_mpc.descriptions.loading import changed, parse_settings
    from neuro_mpc.simulation.trained import on_task_of

    for_circuit, for_protocol = parse_settings(settings)
    if start is None:
        if second is None or start_at is not None:
            missing = "'PROTOCOL'" if second is None else "'--from'"
            raise typer.BadParameter(f"Missing {missing}: CIRCUIT and PROTOCOL, or --from RUN and PROTOCOL")
        described = nm.load_circuit(first, for_circuit), nm.load_protocol(second, for_protocol)
        return described, {"seed": seed or 0}
    if second is not None:
        raise typer.BadParameter(f"--from takes the circuit of {start}: leave {first} out, or use --set")
    trained = nm.load_trained(start, start_at)
    protocol = changed(on_task_of(nm.load_protocol(first), trained), for_protocol)
    begun = {"start": trained, "seed": trained.seed if seed is None else seed}
    return (changed(trained.unsized(), for_circuit), protocol), begun


@contextmanager
def _errors_told() -> Iterator[None]:
    """What the user can mend is told on stderr without a traceback, with the options of the command line."""
    with command_line():
        try:
            yield
        except nm.NeuroMPCError as error:
            typer.echo(f"neuro-mpc: {error}", err=True)
            raise typer.Exit(REFUSED) from None


@contextmanager
def _warnings_told() -> Iterator[None]:
    """Warnings are told on stderr without the place in our code that gave them."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in told:
        typer.echo(f"neuro-mpc: {warning.message}", err=True)


@contextmanager
def _interruption_told(out: Path) -> Iterator[None]:
    """Ctrl-C leaves by way of the run, which closes its file; here we only say where it is."""
    try:
        yield
    except KeyboardInterrupt:
        from neuro_mpc.runfile.paths import partial_path

        kept = partial_path(out)
        where = f"{kept} can be read, --resume goes on from it" if kept.exists() else "nothing was recorded"
        typer.echo(f"neuro-mpc: interrupted: {where}", err=True)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _sweep_interruption_told() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("neuro-mpc: interrupted: the same command goes on", err=True)
        raise typer.Exit(INTERRUPTED) from None
