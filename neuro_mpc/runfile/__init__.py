"""The netCDF file of a run: writing, reading, checkpoints, locks."""
