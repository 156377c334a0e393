"""A folder of PNG images, one folder in it for each class."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES
from neuro_mpc.descriptions.tables import Count
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import labelled
from neuro_mpc.stimuli.axes import STEP, TRIAL
from neuro_mpc.stimuli.cuts import Shares
from neuro_mpc.stimuli.files import find_folder, refuse_paths
from neuro_mpc.stimuli.interface import SPLITS
from neuro_mpc.stimuli.parting import OWN_SPLIT

if TYPE_CHECKING:
    import xarray as xr

IMAGE, LABEL = "image", "label"
PNG = b"\x89PNG\r\n\x1a\n"
SIZE = struct.Struct(">16xII")  # of the image, behind the signature and the head of the first part
MOST_IMAGES, MOST_PIXELS = 1_000_000, 2**24
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class ImageFolder(Shares):
    """PNG images of one size, in a folder for each class; the folders may be in folders train, validation and test.

    folder           the folder
    pixels_per_step  pixels shown together, in reading order; 0: all
    colour           "grey": a value from 0 to 1 for each pixel; "rgb": three

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.ImageFolder(folder="flowers", colour="rgb").pixels_per_step
    0
    """

    source: Literal["image-folder"] = "image-folder"
    folder: Annotated[str, Field(min_length=1)]
    pixels_per_step: Count = 0
    colour: Literal["grey", "rgb"] = "grey"

    @model_validator(mode="after")
    def _names_a_folder(self) -> Self:
        refuse_paths((self.folder.rstrip("/"),), {})
        return self


@SOURCES.register("image-folder")
class ImageFolderStimuli(labelled.LabelledStimuli):
    """The channels `image`, and `label`, the number of the folder in the order of the alphabet."""

    table = ImageFolder

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(ImageFolder, protocol.stimulus)
        folder = find_folder(table.folder.rstrip("/"), protocol.data_dir, "data")
        super().__init__(_dataset(folder, table), protocol, seed, shares=table, source=str(folder))


def _dataset(folder: Path, table: ImageFolder) -> xr.Dataset:
    """The images (trial, step, pixel), their classes (trial,) and, where folders say it, their splits."""
    import xarray as xr

    listed = _listed(folder)
    classes = sorted({label for _, label, _ in listed})
    height, width = _common_size([path for *_, path in listed])
    depth = 3 if table.colour == "rgb" else 1
    pixels = table.pixels_per_step or height * width
    if height * width % pixels:
        raise DescriptionError(
            f"does not divide the {height} × {width} pixels of an image",
            key="stimulus.pixels_per_step",
            found=pixels,
            expected=f"0, or a divisor of {height * width:,}",
        )
    images = _room((len(listed), height * width // pixels, pixels * depth))
    for image, (*_, path) in zip(images, listed):
        image[...] = _image(path, depth, (height, width)).reshape(image.shape)
    labels = np.array([classes.index(label) for _, label, _ in listed])
    variables = {
        IMAGE: xr.Variable((TRIAL, STEP, "pixel"), images),
        LABEL: xr.Variable(TRIAL, labels, {"flag_meanings": labelled.meanings(classes)}),
    }
    if listed[0][0]:
        variables[OWN_SPLIT] = xr.Variable(TRIAL, np.array([split for split, *_ in listed]))
    return xr.Dataset(variables)


def _listed(folder: Path) -> list[tuple[str, str, Path]]:
    """Split, "" if no folder says it, class and path of every image."""
    inner = _folders(folder)
    parted = bool(inner) and all(each.name in SPLITS for each in inner)
    found = [
        (split.name if parted else "", label.name, path)
        for split in (inner if parted else [folder])
        for label in _folders(split)
        for path in sorted(label.iterdir())
        if path.suffix.lower() == ".png" and not path.name.startswith(".")
    ]
    if not 0 < len(found) <= MOST_IMAGES:
        raise DescriptionError(
            "has no images" if not found else "has too many images",
            source=str(folder),
            found=f"{len(found):,} in {', '.join(each.name for each in inner[:8]) or 'no folders'}",
            expected="a folder for each class, with PNG images in it",
        )
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _common_size(paths: list[Path]) -> tuple[int, int]:
    """Height and width; DescriptionError for the first image of another size."""
    first, sizes = paths[0], ((path, _size(path)) for path in paths)
    expected = _size(first)
    for path, size in sizes:
        if size != expected:
            raise DescriptionError(
                "has another size than other images",
                source=str(path),
                found=" × ".join(map(str, size)),
                expected=f"{' × '.join(map(str, expected))}, as {first.name}",
                hint="all images cut or scaled to one size",
            )
    return expected


def _size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        head = file.read(SIZE.size)
    if len(head) < SIZE.size or not head.startswith(PNG):
        raise DescriptionError("is no PNG image", source=str(path), expected="a PNG image")
    width, height = SIZE.unpack(head)
    if not 0 < width * height <= MOST_PIXELS:
        raise DescriptionError(
            "has too many pixels", source=str(path), found=f"{height} × {width}", expected=f"up to {MOST_PIXELS:,}"
        )
    return height, width


def _image(path: Path, depth: int, size: tuple[int, int]) -> np.ndarray:
    """(height, width, depth) float32 from 0 to 1; what is transparent is black."""
    from matplotlib.image import imread

    try:
        image = np.asarray(imread(path, format="png"), np.float32)
    except Exception as problem:  # a damaged image makes its reader stumble in many ways
        raise DescriptionError(f"cannot be read: {problem}", source=str(path), expected="a PNG image") from None
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[:2] != size:
        raise DescriptionError("has another size than it says", source=str(path), found=image.shape)
    colours = image.shape[2] - (image.shape[2] in (2, 4))
    visible = image[..., :colours] * (image[..., colours:] if colours < image.shape[2] else 1)
    if depth == 3:
        return np.broadcast_to(visible, (*size, 3))
    return visible @ LUMINANCE[:, None] if colours == 3 else visible


def _room(shape: tuple[int, ...]) -> np.ndarray:
    """An array to fill; a large one in a temporary file, so that it takes no memory."""
    if 4 * int(np.prod(shape, dtype=object)) <= labelled.HELD_BYTES:
        return np.empty(shape, np.float32)
    return np.memmap(tempfile.TemporaryFile(), np.float32, "w+", shape=shape)
