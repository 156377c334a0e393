"""How recordings, in files of Neurodata Without Borders (NWB), name what runs have."""
