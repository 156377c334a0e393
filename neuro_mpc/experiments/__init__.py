"""Experiments on a trained circuit. Nothing is learned; the results are labelled xarray datasets."""
