"""Errors say where, what was found, what was expected and what to try."""

import pickle

import pytest

from neuro_mpc.errors import DescriptionError, NeuroMPCError, RunError, RunFileError, did_you_mean


def test_description_error_tells_everything():
    error = DescriptionError(
        "unknown population",
        source="mpl.toml",
        key="projection.recurrent.to",
        found="hiden",
        expected="a population of this circuit (hidden, input, output)",
        hint="did you mean 'hidden'?",
    )
    assert str(error) == (
        "mpl.toml: projection.recurrent.to: unknown population\n"
        "  found: 'hiden'\n"
        "  expected: a population of this circuit (hidden, input, output)\n"
        "  try: did you mean 'hidden'?"
    )


def test_description_error_leaves_out_what_is_not_known():
    assert str(DescriptionError("is missing")) == "is missing"
    assert str(DescriptionError("is missing", key="name")) == "name: is missing"
    assert "found: 0" in str(DescriptionError("too small", found=0))


def test_long_values_are_shortened():
    assert len(str(DescriptionError("too long", found="x" * 10_000))) < 200


def test_collected_errors_tell_the_first_in_full_and_name_the_others():
    problems = [DescriptionError("is wrong", key=f"key{k}", hint=f"hint{k}") for k in range(5)]
    text = str(DescriptionError.collect(problems, "a.toml"))
    assert text.startswith("a.toml: 5 problems\n")
    assert all(f"key{k}: is wrong" in text for k in range(5))
    assert [f"hint{k}" in text for k in range(5)] == [True, True, True, False, False]


def test_a_single_collected_error_stays_itself():
    problem = DescriptionError("is wrong")
    assert DescriptionError.collect([problem], "a.toml") is problem
    assert problem.source == "a.toml"


@pytest.mark.parametrize("kind", [DescriptionError, RunError, RunFileError])
def test_all_errors_are_caught_together(kind):
    with pytest.raises(NeuroMPCError, match="wrong"):
        raise kind("wrong", hint="right")
    assert str(kind("wrong", hint="right")) == "wrong\n  try: right"


@pytest.mark.parametrize("error", [DescriptionError("wrong", key="a", hint="b"), RunError("wrong", hint="b")])
def test_errors_survive_processes(error):
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("hiden", "did you mean 'hidden'?"),
        ("HIDDEN", "did you mean 'hidden'?"),
        ("xyz", ""),
        (3, ""),
        ("", ""),
    ],
)
def test_did_you_mean(name, hint):
    assert did_you_mean(name, ["input", "hidden", "output"]) == hint
