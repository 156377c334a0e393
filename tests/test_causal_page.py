"""What docs/causal.md says works."""

import re
from pathlib import Path

import numpy as np

PAGE = (Path(__file__).parents[1] / "docs" / "causal.md").read_text(encoding="utf-8")


def test_its_code_runs_and_says_what_the_page_says(in_this_process):
    names: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(code, names)
    np.testing.assert_allclose(names["in_time"]["time"][:3], [0, 5, 10])
    assert set(names["traces"].coords) >= {"time"}
    assert {"positive_error", "negative_error"} <= set(names["run"]["neural/hidden"].data_vars)
