"""Progress: what is told, how often, and that nothing of it needs a terminal."""

import io

import pytest
from rich.console import Console

from neuro_mpc.runs.progress import PlainProgress, ProgressBar, SilentProgress, measured, progress_on
from neuro_mpc.sweeps.progress import PlainSweep, sweep_progress_on


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines():
    return []


@pytest.fixture
def plain(lines, clock):
    return PlainProgress(lines.append, clock=clock)


def a_run(progress):
    with progress:
        progress.stage("compiling")
        progress.start(20)
        progress.tested(0, {"accuracy": 0.1})
        for presentation in range(1, 21):
            progress.update(presentation, 100.0 / presentation)
        progress.tested(20, {"accuracy": 0.9})
        progress.finish("run.nc: 20 presentations in 0.1 s, accuracy 0.900")


def terminal(width=120):
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


def test_plain_lines_come_at_most_every_interval(plain, lines, clock):
    plain.start(100)
    for presentation in range(1, 101):
        clock.now = presentation * 0.2
        plain.update(presentation, 12.3456)
    assert lines == [f"presentation {n} of 100, free energy 12.35" for n in (25, 50, 75, 100)]


def test_plain_lines_carry_the_last_test(plain, lines, clock):
    plain.start(100)
    plain.tested(0, {"accuracy": 0.1})
    plain.tested(10, {"accuracy": 0.5})
    clock.now = 6.0
    plain.update(11, 2.0)
    assert lines == ["presentation 11 of 100, free energy 2, accuracy 0.500"]


def test_a_stage_is_told_at_once_and_once(plain, lines):
    for text in ("compiling", "testing", "testing", "compiling"):
        plain.stage(text)
    assert lines == ["compiling", "testing"]


def test_a_fast_run_says_its_stages_and_its_summary_only(plain, lines):
    a_run(plain)
    assert lines == ["compiling", "run.nc: 20 presentations in 0.1 s, accuracy 0.900"]


def test_silence(capsys):
    a_run(SilentProgress())
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_stage_count_energy_and_test():
    console = terminal()
    with ProgressBar(console) as bar:
        bar.stage("learning [1/2]")
        bar.start(20)
        bar.update(5, 12.3456)
        bar.tested(5, {"correct_letter_ratio": 0.25})
    shown = console.file.getvalue()
    for part in ("learning [1/2]", "5/20", "free energy 12.35", "correct letter ratio 0.250"):
        assert part in shown


def test_a_narrow_bar_keeps_the_count_and_the_energy():
    console = terminal(width=80)
    with ProgressBar(console) as bar:
        bar.stage("learning")
        bar.start(10000)
        bar.update(1234, 12.3456)
        bar.tested(1000, {"correct_letter_ratio": 0.25, "test_loss": 7.25, "accuracy": 0.5})
    shown = console.file.getvalue()
    assert "correct letter ratio 0.250" in shown
    assert "1234/10000" in shown
    assert "free energy 12.35" in shown


def test_a_dumb_terminal_gets_lines(monkeypatch):
    assert isinstance(progress_on(terminal()), ProgressBar)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_on(terminal()), PlainProgress)
    assert type(sweep_progress_on(terminal())) is PlainSweep


def test_the_bar_ends_with_the_summary_untouched():
    console = terminal(width=40)
    summary = "a/rather/long/[path]/to/a/run.nc: 20 presentations in 0.1 s"
    with ProgressBar(console) as bar:
        bar.start(20)
        bar.finish(summary)
    assert console.file.getvalue().rstrip("\n").endswith(summary)


def test_the_bar_gives_the_terminal_back_after_an_error():
    console = terminal()
    with pytest.raises(RuntimeError), ProgressBar(console) as bar:
        bar.start(20)
        raise RuntimeError
    hidden, shown = (console.file.getvalue().rfind(f"\x1b[?25{sign}") for sign in "lh")  # the cursor
    assert -1 < hidden < shown


def test_the_output_decides_between_bar_and_lines():
    assert isinstance(progress_on(terminal()), ProgressBar)
    assert isinstance(progress_on(Console(file=io.StringIO(), force_terminal=False)), PlainProgress)


@pytest.mark.parametrize(
    ("values", "phrase"),
    [
        ({"correct_letter_ratio": 1.0}, "correct letter ratio 1.000"),
        ({"test_loss": 7.21345, "accuracy": 0.98765}, "test loss 7.213, accuracy 0.988"),
        ({"perplexity": 143.52}, "perplexity 143.5"),
        ({}, ""),
    ],
)
def test_measured(values, phrase):
    assert measured(values) == phrase
