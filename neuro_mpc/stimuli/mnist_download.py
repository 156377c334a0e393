"""Downloading the files of MNIST, with checksums, into the cache folder of the user."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MD5 = {  # of the gzipped originals
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
SECONDS = 10


def folder_of_downloads() -> Path:
    """Where downloaded files are kept."""
    import pooch

    return Path(pooch.os_cache("neuro_mpc")) / "mnist"


def download(names: Iterable[str]) -> dict[str, Path]:
    """name → file of the named files of MNIST; empty where one is not of MNIST or cannot be downloaded."""
    if not set(names) <= set(MD5):
        return {}
    try:
        return {name: _fetched(name) for name in names}
    except (OSError, ValueError):  # no network, or not the file of the checksum
        return {}


def _fetched(name: str) -> Path:
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(timeout=SECONDS)
    return Path(pooch.retrieve(f"{MIRROR}{name}.gz", f"md5:{MD5[name]}", fname=f"{name}.gz",
                               path=folder_of_downloads(), downloader=downloader))
