"""A training from start to end: divergence, estimate, progress, provenance."""
