"""What other packages bring: names, errors for what is unknown, and that one which fails breaks no other."""

import sys

import pytest
from beside import write_metadata

from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.errors import DescriptionError

GROUP = "neuro_mpc.test_things"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Writes packages with modules and entry points of GROUP, and makes them importable."""

    def install(package, entries, **modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        write_metadata(tmp_path, package, {GROUP: entries})

    for name in ("builtin", "extra"):
        (tmp_path / f"things_{name}").mkdir()
    (tmp_path / "things_builtin" / "__init__.py").write_text("")
    (tmp_path / "things_builtin" / "one.py").write_text(
        "import things_builtin\n@things_builtin.registry.register('one')\nclass One: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield install
    for name in [name for name in sys.modules if name.startswith(("things_", "brought_"))]:
        del sys.modules[name]


@pytest.fixture
def registry(installed):
    import things_builtin

    things_builtin.registry = Registry("thing", GROUP, "things_builtin")
    return things_builtin.registry


def test_names_are_those_of_the_package_the_decorator_and_the_entry_points(registry, installed):
    decorated = "import things_builtin\n@things_builtin.registry.register('two')\nclass Two: ...\n"
    installed(
        "brings",
        ["two = brought_two", "three = brought_three:Three"],
        brought_two=decorated,
        brought_three="class Three: ...",
    )
    four = registry.register("four")(object())
    assert registry.names() == ("four", "one", "three", "two")
    assert registry.get("four") is four
    assert [registry.get(name).__name__ for name in ("one", "two", "three")] == ["One", "Two", "Three"]


def test_an_unknown_name_is_told_with_the_nearest_one(registry):
    with pytest.raises(DescriptionError, match=r"(?s)unknown thing.*found: 'onne'.*expected: one.*did you mean 'one'"):
        registry.get("onne")


@pytest.mark.parametrize(
    ("value", "text", "problem"),
    [
        ("brought_broken", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("brought_broken", "raise SystemError('a b c')", "SystemError: a b c"),
        ("brought_broken:Missing", "", "AttributeError: "),
        ("brought_broken", "x = 1", "registers no thing of this name"),
    ],
)
def test_a_plugin_that_fails_is_named_and_breaks_no_other(registry, installed, value, text, problem):
    installed("breaks", [f"broken = {value}"], brought_broken=text)
    installed("brings", ["two = brought_two:Two"], brought_two="class Two: ...")
    assert registry.names() == ("one", "two")
    with pytest.raises(DescriptionError) as caught:
        registry.get("broken")
    assert "the thing 'broken' of breaks cannot be loaded: " in str(caught.value)
    assert problem in str(caught.value)


def test_a_name_is_taken_once_and_a_definition_may_be_run_again(registry, installed):
    installed("takes", ["one = brought_one:Other"], brought_one="class Other: ...")
    assert registry.get("one").__name__ == "One"
    assert "has the name of one of things_builtin.one" in registry.failure("one")
    for _ in range(2):
        registry.register("mine")(type("Mine", (), {}))
    with pytest.raises(DescriptionError, match="another name"):
        registry.register("mine")(type("Yours", (), {}))


def test_nothing_is_imported_before_a_name_is_asked_for(registry):
    assert "things_builtin.one" not in sys.modules
    assert registry.names() == ("one",)
    assert "things_builtin.one" in sys.modules
