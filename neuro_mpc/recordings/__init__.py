"""Recordings that others made, in files of Neurodata Without Borders (NWB)."""
