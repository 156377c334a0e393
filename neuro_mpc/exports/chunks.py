"""Traces as NWB takes them: by parts of bounded size, whatever their length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hdmf.data_utils import GenericDataChunkIterator

from neuro_mpc.exports.timeline import Trace

CHUNK_BYTES, BUFFER_CHUNKS = 2**20, 16


class TraceChunks(GenericDataChunkIterator):
    """Reads as many rows of a trace as are written at a time, and tells how many they were."""

    def __init__(self, trace: Trace, written: Callable[[int], object]):
        self._trace, self._written = trace, written
        bytes_of_row = max(trace.units, 1) * trace.values.dtype.itemsize
        rows = min(max(CHUNK_BYTES // bytes_of_row, 1), trace.axis.rows)
        buffer = min(rows * BUFFER_CHUNKS, trace.axis.rows)
        super().__init__(chunk_shape=(rows, trace.units), buffer_shape=(buffer, trace.units))

    def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
        rows, units = selection
        values = self._trace.rows(rows.start, rows.stop)
        self._written(len(values))
        return values[:, units]

    def _get_maxshape(self) -> tuple[int, int]:
        return self._trace.axis.rows, self._trace.units

    def _get_dtype(self) -> np.dtype:
        return self._trace.values.dtype
