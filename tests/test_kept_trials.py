"""Trials of every source that draws them are those of earlier versions, number by number."""

import json

import numpy as np
import pytest
from kept_trials import FILE, SOURCES, made, sums

KEPT = json.loads(FILE.read_text())


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_seed_gives_the_same_trials_in_every_version(name):
    found, kept = sums(name), KEPT[name]
    assert found.keys() == kept.keys()
    for key, (number, *expected) in kept.items():
        assert found[key][0] == number
        np.testing.assert_allclose(found[key][1:], expected, rtol=1e-6, atol=1e-6 * expected[-1], err_msg=key)


@pytest.mark.parametrize("name", SOURCES)
def test_what_data_are_told_apart_by_differs_from_split_to_split_and_from_seed_to_seed(name):
    def content(seed, split):
        parts = [*made(name, seed).content(split)]
        assert sum(part.size for part in parts) > 0
        return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)

    first = content(3, "train")
    assert content(3, "train") == first
    assert content(3, "test") != first
    assert (content(4, "train") == first) == (name == "digits")
