"""Where and how the data of a dataset are stored, told without reading them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from h5py import h5d  # pyright: ignore[reportAttributeAccessIssue]

# Written are chunks of 1 MiB, and by netCDF's own choice of up to 16.
LARGEST_CHUNK = 2**26


def refuse_elsewhere(dataset: h5d.DatasetID, path: str) -> None:
    """Raises ValueError where the data of a dataset are those of other files."""
    properties = dataset.get_create_plist()
    if properties.get_layout() == h5d.VIRTUAL:
        raise ValueError(f"{path} is a virtual dataset: its data are those of other files")
    if properties.get_external_count():
        raise ValueError(f"{path} has its data in another file")


def refuse_packing(dataset: h5d.DatasetID, path: str, filters: Sequence[int]) -> None:
    """Raises ValueError where reading a dataset takes other code than these filters, or large chunks at once."""
    properties = dataset.get_create_plist()
    packed = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    if foreign := [code for code in packed if code not in filters]:
        raise ValueError(f"{path} is packed by the filter {foreign[0]}, which no file of this kind needs")
    if len(packed) > len(filters):
        raise ValueError(f"{path} is packed {len(packed)} times")
    if properties.get_layout() != h5d.CHUNKED:
        return
    if (size := math.prod(properties.get_chunk()) * dataset.get_type().get_size()) > LARGEST_CHUNK:
        raise ValueError(f"{path} has chunks of {size:,} bytes, more than {LARGEST_CHUNK:,}")
