"""Python of their own for tests: with packages that were installed in a folder, and for recipes."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "analysis"


def install(folder: Path, project: str) -> None:
    """Writes what pip leaves of a package with this pyproject.toml: its name, and its entry points."""
    described = tomllib.loads(project)["project"]
    groups = {group: [f"{k} = {v}" for k, v in named.items()] for group, named in described["entry-points"].items()}
    write_metadata(folder, described.get("name", "brought"), groups)


def write_metadata(folder: Path, name: str, groups: dict[str, list[str]]) -> None:
    """The metadata of a package with entry points, group → lines."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [line for group, entries in groups.items() for line in (f"[{group}]", *entries)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def printed(command: list[str], *, packages: Path, folder: Path) -> str:
    """What Python prints, in a folder, with the packages in another, and with the modules of tests."""
    searched = os.pathsep.join(map(str, (packages, ROOT, ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": searched}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed_by_recipe(name: str, *words: str) -> str:
    """What a recipe prints that is given these words, without Brian2 and without anything of PATH."""
    command = f"""import runpy, sys
sys.argv = {[f"{name}.py", *words]!r}
runpy.run_path({str(RECIPES / f"{name}.py")!r}, run_name="__main__")
assert "brian2" not in sys.modules"""
    done = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        cwd=RECIPES,
        env={"PYTHONPATH": f"{ROOT}:{RECIPES}", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
