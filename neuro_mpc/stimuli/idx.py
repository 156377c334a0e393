"""Labelled images in the IDX format of MNIST: read, checked, found or downloaded.

Format: two zero bytes, the type (8: unsigned bytes), the number of dimensions, their sizes as big-endian
32-bit numbers, then the values (Y. LeCun, The MNIST database). Files may be gzipped.
"""

from __future__ import annotations

from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import AtLeastOne, Count, Positive
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.files import compare, find, opened, refuse_paths
from neuro_mpc.stimuli.images import ImageStimuli
from neuro_mpc.stimuli.interface import Split
from neuro_mpc.stimuli.mnist_download import download

LARGEST = 2**31
# The code of a type in the third byte of a file.
TYPES = {8: ">u1", 9: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
BRIGHTEST = 255
# The ranges that pixels are usually kept in; below the half of 255, they are taken for one of these.
RANGES = (1, 15, 16, 31, 63, 100, 127)
# (kind, dimensions) of arrays that other sets have: what to do with them.
ARRAYS = "with NumPy, and --set protocol.stimulus.source=arrays reads them"
OTHER_SHAPES = {
    ("labels", 2): f"labels with columns, as in QMNIST, whose first one is the class: labels[:, 0] {ARRAYS}",
    ("images", 2): f"images whose pixels stand in a row: images.reshape(trials, rows, columns) {ARRAYS}",
    ("images", 4): f"images in colour: their mean over the last axis, or one channel, {ARRAYS}",
}
OWN_FILES = (
    "files",
    "--set protocol.stimulus.train_images=FILE, likewise train_labels, test_images, test_labels, with checksums={} "
    "(the letters of EMNIST: transpose=true, first_label=1, classes=26)",
)


class Idx(StimulusTable):
    """Labelled images in the IDX format of MNIST, `pixels_per_step` of their pixels at a time.

    train_images, train_labels, test_images, test_labels  names of the files, plain or gzipped
    pixels_per_step  pixels shown together, in the order of the file; a divisor of the number of pixels of an image
    validation  trials taken from the end of the training set
    permute     show the pixels in a fixed random order
    subset      number of the remaining training trials to learn, from the first on; 0: all
    classes     number of classes: labels are first_label … first_label + classes − 1
    first_label  smallest label, 0 by default; 1 for the letters of EMNIST
    brightest   value of a white pixel, which is shown as 1; 255 by default
    transpose   whether rows in the files are columns of the images, as in EMNIST
    checksums   file name → sha256 of its uncompressed content

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Idx(pixels_per_step=28).classes
    10
    """

    source: Literal["idx"] = "idx"
    train_images: str = "train-images-idx3-ubyte"
    train_labels: str = "train-labels-idx1-ubyte"
    test_images: str = "t10k-images-idx3-ubyte"
    test_labels: str = "t10k-labels-idx1-ubyte"
    pixels_per_step: AtLeastOne = 28
    validation: Count = 5000
    permute: bool = False
    subset: Count = 0
    classes: Annotated[int, Field(ge=2, le=1000)] = 10
    first_label: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    brightest: Positive | None = None
    transpose: bool | None = None
    checksums: dict[str, str] = {}

    @model_validator(mode="after")
    def _names_plain_files(self) -> Self:
        refuse_paths(self.files, self.checksums)
        return self

    @property
    def files(self) -> tuple[str, str, str, str]:
        """Names of the four files."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels


@SOURCES.register("idx")
class IdxStimuli(ImageStimuli):
    """Images and labels of four IDX files; validation trials are the last ones of the training files."""

    table = Idx

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(Idx, protocol.stimulus)
        images, labels, test_images, test_labels = _arrays(protocol, table)
        images, test_images = _ordered(images, test_images, table.permute)
        trials = _trials_to_learn(protocol, table, len(labels))
        first_held_out = len(labels) - table.validation
        images_of: dict[Split, np.ndarray] = {
            "train": images[:trials],
            "validation": images[first_held_out:],
            "test": test_images,
        }
        labels_of: dict[Split, np.ndarray] = {
            "train": labels[:trials],
            "validation": labels[first_held_out:],
            "test": test_labels,
        }
        super().__init__(
            protocol,
            images_of,
            labels_of,
            pixels_per_step=table.pixels_per_step,
            brightest=table.brightest or BRIGHTEST,
            classes=table.classes,
        )


def _arrays(protocol: Protocol, table: Idx) -> tuple[np.ndarray, ...]:
    """Training images (trials, P) and labels, test images and labels, checked alone and together."""
    paths = find(table.files, protocol.data_dir, "mnist", table.checksums, download, OWN_FILES)
    arrays = [read_idx(path, table.checksums.get(name)) for name, path in zip(table.files, paths, strict=True)]
    for (images, labels), (image_path, label_path) in zip(
        (arrays[:2], arrays[2:]), (paths[:2], paths[2:]), strict=True
    ):
        _check_pair(images, labels, image_path, label_path)
        _check_labels(labels, label_path, table)
        _check_pixels(images, image_path, table.brightest)
    images, labels, test_images, test_labels = arrays
    labels, test_labels = (array - (table.first_label or 0) for array in (labels, test_labels))
    if table.transpose:
        images, test_images = (array.swapaxes(1, 2) for array in (images, test_images))
    pixels, test_pixels = (array[0].size for array in (images, test_images))
    if pixels != test_pixels:
        raise DescriptionError(
            f"images of {test_pixels} pixels",
            source=str(paths[2]),
            expected=f"{pixels} pixels, as in {paths[0]}",
        )
    if pixels % table.pixels_per_step:
        fitting = ", ".join(str(number) for number in range(1, pixels + 1) if pixels % number == 0)
        raise DescriptionError(
            f"does not divide the {pixels} pixels of an image",
            source=protocol.name,
            key="stimulus.pixels_per_step",
            found=table.pixels_per_step,
            expected=fitting,
        )
    return images.reshape(len(images), -1), labels, test_images.reshape(len(test_images), -1), test_labels


def read_idx(path: Path, checksum: str | None = None) -> np.ndarray:
    """The array of an IDX file, gzipped or not, in the type that it has.

    checksum   sha256 of the uncompressed file

    Raises DescriptionError that names the file where it is damaged, no IDX file, or not that of the checksum.
    """
    with opened(path) as file:
        return _read(file, path, checksum)


def _read(file: BufferedIOBase, path: Path, checksum: str | None) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 4:
        page = magic.lstrip()[:1] == b"<"
        raise DescriptionError(
            "a web page, not an IDX file" if page else "not an IDX file" if magic else "an empty file",
            source=str(path),
            found=magic,
            expected="00 00 08 01 (labels) or 00 00 08 03 (images) at the start",
            hint="copy or download the file again",
        )
    kind = np.dtype(TYPES[magic[2]])
    header = file.read(4 * magic[3])
    shape = np.frombuffer(header[: len(header) // 4 * 4], ">u4").tolist()
    if len(shape) < magic[3] or 0 in shape or np.prod(shape, dtype=object) * kind.itemsize > LARGEST:
        raise DescriptionError(
            f"an IDX header with the sizes {shape}",
            source=str(path),
            expected="sizes above 0, two gigabytes at most together",
        )
    size = int(np.prod(shape, dtype=object)) * kind.itemsize
    # One byte more than needed tells a file that is too long without reading all of it.
    content = file.read(size + 1)
    if len(content) != size:
        is_longer = len(content) > size
        raise DescriptionError(
            "longer than its header says" if is_longer else f"truncated: {len(content)} bytes",
            source=str(path),
            expected=f"{size} bytes after the header",
            hint="copy or download the file again",
        )
    compare(magic + header + content, path, checksum)
    return np.frombuffer(content, kind).astype(kind.newbyteorder("="), copy=False).reshape(shape)


def _check_pair(images: np.ndarray, labels: np.ndarray, image_path: Path, label_path: Path) -> None:
    swapped = "the files are swapped: each under the name of the other" if labels.ndim == 3 and images.ndim == 1 else ""
    for array, path, dimensions, kind, expected in (
        (images, image_path, 3, "images", "trials × rows × columns"),
        (labels, label_path, 1, "labels", "one number per trial"),
    ):
        if array.ndim != dimensions:
            shape = " × ".join(map(str, array.shape))
            raise DescriptionError(
                f"these are not {kind}",
                source=str(path),
                found=shape,
                expected=expected,
                hint=swapped or OTHER_SHAPES.get((kind, array.ndim), ""),
            )
    if len(images) != len(labels):
        raise DescriptionError(
            f"{len(labels)} labels for the {len(images)} images of {image_path}",
            source=str(label_path),
            expected="as many labels as images",
        )


def _check_labels(labels: np.ndarray, path: Path, table: Idx) -> None:
    first = table.first_label or 0
    if labels.dtype.kind == "f":
        raise DescriptionError("labels that are not whole numbers", source=str(path), expected="integers")
    last, lowest, highest = first + table.classes - 1, int(labels.min()), int(labels.max())
    if first <= lowest and highest <= last:
        return
    trial = int(labels.argmax() if highest > last else labels.argmin())
    begins = lowest if table.first_label is None else min(first, lowest)
    settings = [f"--set protocol.stimulus.first_label={begins}"] if begins != first else []
    if highest - begins >= table.classes:
        settings.append(f"--set protocol.stimulus.classes={highest - begins + 1}")
    raise DescriptionError(
        f"label {labels[trial]} of trial {trial} is out of range",
        source=str(path),
        found=f"labels from {lowest} to {highest}",
        expected=f"{first} … {last}",
        hint=" ".join(settings) if lowest >= 0 else "the file of the labels",
    )


def _check_pixels(images: np.ndarray, path: Path, stated: float | None) -> None:
    """Refuses images that would be far too dark, or brighter than white, or are no numbers."""
    lowest, highest = images.min(), images.max()
    if not np.isfinite([lowest, highest]).all() or lowest < 0:
        raise DescriptionError(
            "pixels below 0, or no numbers", source=str(path), found=float(lowest), expected="0 … stimulus.brightest"
        )
    if highest > (stated or BRIGHTEST):
        problem, brightest = "pixels brighter than white", float(highest)
    elif stated is None and 0 < highest <= RANGES[-1]:
        problem = "pixels that are all dark if white is 255"
        brightest = next(white for white in RANGES if highest <= white)
    else:
        return
    raise DescriptionError(
        problem,
        source=str(path),
        found=f"values from {lowest:g} to {highest:g}",
        expected=f"0 … {stated or BRIGHTEST:g}",
        hint=f"--set protocol.stimulus.brightest={brightest:g}",
    )


def _ordered(images: np.ndarray, test_images: np.ndarray, permute: bool) -> tuple[np.ndarray, np.ndarray]:
    # RandomState's stream is frozen: the permutation is the same with every version of NumPy and every seed.
    order = np.random.RandomState(0).permutation(images.shape[1]) if permute else slice(None)
    return images[:, order], test_images[:, order]


def _trials_to_learn(protocol: Protocol, table: Idx, trials: int) -> int:
    rest = trials - table.validation
    if rest < 1:
        raise DescriptionError(
            "leaves no trials to learn",
            source=protocol.name,
            key="stimulus.validation",
            found=table.validation,
            expected=f"fewer than {trials}",
        )
    if table.subset > rest:
        raise DescriptionError(
            "more trials than are left to learn",
            source=protocol.name,
            key="stimulus.subset",
            found=table.subset,
            expected=f"at most {rest}",
        )
    return table.subset or rest
