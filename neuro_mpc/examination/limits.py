"""What a run file may hold: what is written is kept within it, and what is read is refused beyond."""

MOST_OBJECTS = 8_000
"""Groups, variables and dimensions: so many take netCDF and xarray several seconds."""
