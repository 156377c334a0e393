"""The site: `sphinx-build -W --keep-going docs build/site`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

import sphinx_copybutton  # noqa: E402

import neuro_mpc  # noqa: E402

project = "neuro_mpc"
author = "neuro_mpc developers"
copyright = author
version = release = neuro_mpc.__version__
html_title = f"{project} {version}"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
    "equations",
    "outside",
    "recipes",
]
exclude_patterns = ["extensions", "static"]
nitpicky = True

# Pages are Markdown that repositories show as well.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
highlight_language = "none"

# Notebooks are executed once, and again where their code has changed.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

# The button that copies a block of code has a picture only, to which screen readers can give no name.
copybutton_image_svg = (
    (Path(sphinx_copybutton.__file__).parent / "_static" / "copy-button.svg")
    .read_text(encoding="utf-8")
    .replace("<svg ", '<svg role="img" aria-label="Copy" ', 1)
)

# Docstrings are numpydoc's; tests/test_docstrings.py checks that they are complete.
default_role = "literal"
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {"gallery": []}  # the only page of its section
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
