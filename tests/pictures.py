"""What a picture file shows, where its figure was drawn by another process."""

from pathlib import Path

import numpy as np
from matplotlib.image import imread


def ink(path: Path) -> float:
    """The share of the pixels of a PNG that are not of its background, the colour of its first pixel."""
    pixels = imread(path)
    return float((np.abs(pixels - pixels[0, 0]).max(axis=-1) > 0.1).mean())
