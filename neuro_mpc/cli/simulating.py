"""Commands that simulate a circuit, or check whether one could be."""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

import neuro_mpc as nm
from neuro_mpc.cli.answers import answer, progress_console, tell
from neuro_mpc.cli.endings import (
    FAILED,
    errors_reported,
    interruption_reported,
    sweep_interruption_reported,
    warnings_reported,
)
from neuro_mpc.cli.options import (
    Backend,
    CircuitName,
    FirstName,
    ProtocolName,
    Scheduler,
    SecondName,
    Seed,
    Settings,
    Start,
    StartAt,
    Threads,
    Workers,
)
from neuro_mpc.cli.outcomes import incomplete, outcome, summary
from neuro_mpc.cli.setup import set_up
from neuro_mpc.runs.progress import progress_on
from neuro_mpc.runs.terminal import mention


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
    workers: Workers = 1,
    scheduler: Scheduler = None,
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
    with errors_reported(), interruption_reported(out):
        from neuro_mpc.runs.run import write_run

        setup = set_up(circuit, protocol, settings, start=start, start_at=start_at, seed=seed)
        begin = time.perf_counter()
        with progress_on(progress_console()) as progress:
            finished = write_run(
                setup.circuit,
                setup.protocol,
                start=setup.start,
                seed=setup.seed,
                backend=backend,
                threads=threads,
                workers=workers,
                scheduler=scheduler,
                out=out,
                overwrite=overwrite,
                resume=resume,
                accept_changes=accept_changes,
                checkpoint_every=checkpoint_every,
                progress=progress,
            )
        seconds = time.perf_counter() - begin
        tell(summary(out, finished, seconds), outcome(out, finished, seconds))


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
    with errors_reported(), sweep_interruption_reported():
        from neuro_mpc.sweeps.grid import parse_over, parse_seeds, refuse_set
        from neuro_mpc.sweeps.progress import sweep_progress_on
        from neuro_mpc.sweeps.sweep import failures

        values, seed_numbers = parse_over(over or []), parse_seeds(seeds)
        setup = set_up(circuit, protocol, settings)
        refuse_set(values, settings or [])
        with sweep_progress_on(progress_console()) as progress:
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
        combined = out / "sweep.nc"
        told = {"members": dataset["complete"].size, "incomplete": incomplete(dataset)}
        if dry_run:
            tell(None, {"files": [], **told})
            return
        tell(combined, {"files": [combined], **told})
        if text := failures(dataset):
            mention(f"neuro-mpc: {text}\nthe same command runs them again", sys.stderr)
            raise typer.Exit(FAILED)


def check(
    circuit: FirstName,
    protocol: SecondName = None,
    start: Start = None,
    start_at: StartAt = None,
    seed: Seed = None,
    backend: Backend = "cpp",
    threads: Threads = 1,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    settings: Settings = None,
) -> None:
    """Check everything that `run` would, without running; estimate memory, disk space and time."""
    with errors_reported():
        from neuro_mpc.runs.estimate import as_text

        setup = set_up(circuit, protocol, settings, start=start, start_at=start_at, seed=seed)
        estimate = nm.check(
            setup.circuit,
            setup.protocol,
            start=setup.start,
            seed=setup.seed,
            backend=backend,
            threads=threads,
            workers=workers,
            scheduler=scheduler,
        )
        answer(as_text(estimate), dataclasses.asdict(estimate))


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
    with errors_reported(), warnings_reported():
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
        answer("\n".join(texts), {"texts": texts})
