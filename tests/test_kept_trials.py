"""Trials of every source that draws them are those of earlier versions, number by number."""

import json

import numpy as np
import pytest
from kept_trials import FILE, SOURCES, sums

KEPT = json.loads(FILE.read_text())


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_seed_gives_the_same_trials_in_every_version(name):
    found, kept = sums(name), KEPT[name]
    assert found.keys() == kept.keys()
    for key, (number, *expected) in kept.items():
        assert found[key][0] == number
        np.testing.assert_allclose(found[key][1:], expected, rtol=1e-6, atol=1e-6 * expected[-1], err_msg=key)
