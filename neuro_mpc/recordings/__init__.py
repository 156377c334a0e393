"""Recordings in files of Neurodata Without Borders (NWB): what they hold, by the names that runs have."""
