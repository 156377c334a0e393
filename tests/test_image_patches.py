"""Windows on photographs: where they lie, what they share, and how the photographs are filtered."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.stimuli.image_patches import aperture, photographs


def test_neighbouring_windows_share_their_pixels_and_splits_share_none():
    protocol = nm.load_protocol("rao-ballard", {"stimulus.number": 40})
    source, table = stimuli.load(protocol, nm.load_circuit("rao-ballard"), 3), protocol.stimulus
    through = aperture(table.side, table.aperture)
    left, right = (
        source.given("train", np.arange(40), f"window-{number}")[0].reshape(40, 16, 16) / through for number in (1, 2)
    )
    np.testing.assert_allclose(left[:, :, table.shift :], right[:, :, : -table.shift], rtol=1e-5, atol=1e-5)
    assert np.abs(left - right).max() > 0.1
    *_, places = source.content("train")
    *_, tested = source.content("test")
    assert places[:, 2].max() + table.width <= tested[:, 2].min()
    np.testing.assert_allclose(photographs().std((1, 2)), 1)


def test_windows_in_rows_share_their_pixels_with_those_beside_and_below():
    protocol = nm.load_protocol("rao-ballard-surround", {"stimulus.number": 20})
    source, table = stimuli.load(protocol, nm.load_circuit("rao-ballard-surround"), 3), protocol.stimulus
    assert (table.width, table.height, table.corner(5), table.corner(7)) == (14, 14, (3, 3), (6, 0))
    through = aperture(table.side, table.aperture)
    seen = {
        number: source.given("train", np.arange(20), f"window-{number}")[0].reshape(20, 8, 8) / through
        for number in (1, 2, 4)
    }
    np.testing.assert_allclose(seen[1][:, :, 3:], seen[2][:, :, :-3], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(seen[1][:, 3:], seen[4][:, :-3], rtol=1e-4, atol=1e-4)
    with pytest.raises(nm.DescriptionError, match="rows that divide 9"):
        nm.load_protocol("rao-ballard-surround", {"stimulus.rows": 2})


def test_windows_as_large_as_the_part_of_a_split_fit_and_larger_ones_are_refused():
    """Photographs have 427 × 640 pixels, of whose width the test has a fifth."""
    circuit = nm.load_circuit("rao-ballard")
    keys = {"stimulus.number": 5, "stimulus.windows": 3, "stimulus.side": 50, "stimulus.shift": 39}
    fitting = stimuli.load(nm.load_protocol("rao-ballard", keys), circuit, 0)
    *_, places = fitting.content("test")
    assert set(places[:, 2]) == {512}
    for changed, found in [({"shift": 40}, "50 × 130"), ({"windows": 25, "rows": 25}, "986 × 50")]:
        protocol = nm.load_protocol("rao-ballard", keys | {f"stimulus.{key}": each for key, each in changed.items()})
        with pytest.raises(nm.DescriptionError, match=rf"do not fit[\s\S]*{found}[\s\S]*up to 427 × 128"):
            stimuli.load(protocol, circuit, 0)


def test_photographs_are_grey_filtered_by_a_difference_of_gaussians_and_scaled():
    image = load_sample_images().images[1].astype(float).mean(axis=-1)
    filtered = gaussian_filter(image, 2.0) - gaussian_filter(image, 3.2)
    expected = (filtered - filtered.mean()) / filtered.std()
    found = photographs(2.0)
    np.testing.assert_allclose(found[1], expected, atol=1e-9)
    np.testing.assert_allclose(found.mean((1, 2)), 0, atol=1e-12)


def test_an_aperture_falls_from_its_centre_as_a_gaussian():
    np.testing.assert_allclose(aperture(3, 2.0)[1], [np.exp(-1 / 8), 1, np.exp(-1 / 8)])
    np.testing.assert_allclose(aperture(2, 0.5), np.full((2, 2), np.exp(-1)))  # half a pixel away along both sides


def test_windows_reach_every_side_of_a_photograph_and_none_beyond():
    protocol = nm.load_protocol("rao-ballard", {"stimulus.number": 100_000})
    source, table = stimuli.load(protocol, nm.load_circuit("rao-ballard"), 0), protocol.stimulus
    images, *_ = source.content("train")
    number, rows, columns = images.shape
    for split, (first, last) in {"train": (0, 0.6), "validation": (0.6, 0.8), "test": (0.8, 1)}.items():
        *_, places = source.content(split)
        lowest, highest = places.min(axis=0), places.max(axis=0)
        assert lowest.tolist() == [0, 0, int(first * columns)]
        assert highest.tolist() == [number - 1, rows - table.height, int(last * columns) - table.width]
