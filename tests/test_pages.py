"""Pages of the documentation: links, headings, pictures, derived equations, commands, and their place on the site."""

import inspect
import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from pages import FENCED, IN_FOLDER, PAGES, ROOT, TOP, commands, prose, text_of

import neuro_mpc as nm
from neuro_mpc.cli import app
from neuro_mpc.descriptions.loading import parse_settings, shipped
from neuro_mpc.rules.equations import sections
from neuro_mpc.rules.notation import Latex

SHOWN_AS = {"docs/changelog.md", "docs/contributing.md"}  # filled with the files of TOP
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^()\s]+)\)")
HEADING = re.compile(r"^(#+) +(.+)$", re.MULTILINE)
TOCTREE = re.compile(r"^```\{toctree\}\n(?::[^\n]*\n)*(.*?)^```$", re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as repositories and the site form them."""
    headings = [title for _, title in HEADING.findall(prose(str(page.relative_to(ROOT))))]
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in headings]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page):
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = Path((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", sorted({*PAGES} - SHOWN_AS))
def test_a_page_has_one_title_and_no_heading_without_the_one_above_it(page):
    depths = [len(hashes) for hashes, _ in HEADING.findall(prose(page))]
    assert depths[0] == 1
    assert depths.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(depths))


@pytest.mark.parametrize("page", PAGES)
def test_pictures_say_what_they_show(page):
    for words, file in PICTURE.findall(text_of(page)):
        assert len(words.split()) >= 4, file
        assert ((ROOT / page).parent / file).is_file(), file


def test_the_site_shows_every_page_once():
    placed = []
    for page in IN_FOLDER:
        for names in TOCTREE.findall(text_of(page)):
            placed += [((ROOT / page).parent / f"{name}.md").resolve() for name in names.split()]
    assert sorted(placed) == sorted(ROOT / page for page in IN_FOLDER if page != "docs/index.md")


NAMES = {f"neuro_mpc.{name}" for name in nm.__all__ if name != "__version__"}
NAMES |= {f"neuro_mpc.analysis.{name}" for name in nm.analysis.__all__}
PLOTS = {name for name in nm.plots.__all__ if inspect.isroutine(getattr(nm.plots, name))} - {*nm.__all__}
NAMES |= {f"neuro_mpc.plots.{name}" for name in PLOTS}
NAMES |= {f"neuro_mpc.stimuli.{table.__name__}" for table in nm.stimuli.StimulusTable.forms()}


def test_the_reference_has_every_public_name_once():
    text = "".join(text_of(page) for page in IN_FOLDER if page.startswith("docs/reference/"))
    described = re.findall(r"^\.\. auto\w+:: (\S+)$", text, re.MULTILINE)
    assert len(described) == len(set(described))
    assert set(described) >= NAMES


COMMANDS = [(page, line) for page in (*TOP, *IN_FOLDER) for line in commands(page)]
OWN = {"arm.toml", "reach.toml", "rhythms.toml", "two-layers.toml", "two-levels.toml", "circuit.toml"}  # of readers
REFUSED = {"run mpl toy-language --bckend numpy --out run.nc"}  # to show what is said of it
OPTIONS = {"$common", "$causal", "${@:5}"}  # variables of the shell that hold options


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda text: text.replace("/", "-"))
def test_commands_have_options_that_exist_and_name_what_is_shipped(page, line):
    """Parsed, not run. A variable of the shell stands for a number, or for what cannot be known here."""
    if line in REFUSED:
        return
    name, *words = [
        re.sub(r"\$(k|\w*seed|2|SLURM\w*)\b", "1", word) for word in shlex.split(line) if word not in OPTIONS
    ]
    given = typer.main.get_command(app).commands[name].make_context(name, words).params
    circuit, protocol = given.get("circuit"), given.get("protocol")
    if given.get("start"):
        circuit, protocol = None, circuit  # `run PROTOCOL --from RUN`
    settings = parse_settings(setting for setting in given.get("settings") or [] if "$" not in setting)
    for kind, described, changes in (("circuit", circuit, settings[0]), ("protocol", protocol, settings[1])):
        if described in shipped(kind):
            (nm.load_circuit if kind == "circuit" else nm.load_protocol)(described, changes)
        else:
            assert described is None or described in OWN or "$" in described


EQUATIONS = [
    (page, block["language"].split()[1], block["code"])
    for page in IN_FOLDER
    for block in FENCED.finditer(text_of(page))
    if block["language"].startswith("{equations}")
]


@pytest.mark.parametrize(("page", "name", "options"), EQUATIONS)
def test_equations_are_sections_of_what_a_shipped_circuit_derives(page, name, options):
    derived = {section.title for section in sections(nm.load_circuit(name), Latex())}
    (wanted,) = re.findall(r":sections: (.+)", options)
    assert {title.strip() for title in wanted.split(",")} <= derived
