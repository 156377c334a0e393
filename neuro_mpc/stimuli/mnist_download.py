"""Downloading the files of MNIST, with checksums, into the cache folder of the user."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from neuro_mpc.stimuli.files import downloads

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
SHA256 = {  # of the gzipped originals
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
SECONDS = 10


def download(names: Sequence[str]) -> dict[str, Path]:
    """name → file of the named files of MNIST; empty where one is not of MNIST.

    Raises OSError without a network, ValueError for a file of another checksum.
    """
    return {name: _fetched(name) for name in names} if set(names) <= set(SHA256) else {}


def _fetched(name: str) -> Path:
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(timeout=SECONDS)
    return Path(
        pooch.retrieve(
            f"{MIRROR}{name}.gz",
            SHA256[name],
            fname=f"{name}.gz",
            path=downloads("mnist"),
            downloader=downloader,  # pyright: ignore[reportArgumentType]  # pooch's own, with other parameter names
        )
    )
