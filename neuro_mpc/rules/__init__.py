"""The energy of a circuit, its derivatives, and how they are printed."""
