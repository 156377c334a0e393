"""What docs/circuits.md says works."""

import re
import tomllib
from pathlib import Path

import neuro_mpc as nm

PAGE = (Path(__file__).parents[1] / "docs" / "circuits.md").read_text(encoding="utf-8")


def test_two_streams_and_two_read_outs_are_learned():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names: dict = {}
    exec(code, names)
    final = names["run"]["evaluation"].dataset
    assert final["explained_variance"] > 0.8
    assert final["accuracy_side"] > 0.8


def test_what_a_target_is_can_be_written_as_it_stands():
    text = next(text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.S) if text.startswith("[target]"))
    target = nm.load_protocol("digits-rows", {"target": tomllib.loads(text)["target"]}).target
    assert (target.of("choice").read, target.of("another").kind) == ("last", "next")
