"""What a run file says about synapses and neurons: labelled xarray objects, without Brian2.

Synapses: `weights` of a projection, and of these `entropy`, `determinism`, `histogram`, `pairs`, `asymmetry`,
`unit_variability`, `most_variable_units`; of all projections `summary` and `compare_projections`.

Neurons: `traces` of a population, and of these `profile`, `principal_components`; `inference_energy`,
`selectivity`, `surprise`, `error_by_surprise`.

Precisions of prediction errors: `learned_precisions`, and `precision` of a population.

Text: `ngrams.chosen`, `ngrams.KneserNey`, `ngrams.perplexity`, `ngrams.accuracy` of n-gram models, as baselines.

Sweeps: `by_load` and `onset` of a measure over the data load, `power_law`.

Experiments on trained circuits, in one run file or in those of several seeds: `experiment`, `responses`,
`contrast`, `by_window`, `lesion_curves`, `psychometric_curves`, `psychometric_fit`, `ensembles`, `mismatch` and its
`mismatch_responses`, `mismatch_means`, `mismatch_course`, `adaptation_and_deviance`, and its `paradigms` with a
`verdict` for each; `mean_interval` of anything over anything.

Recordings: `recorded` responses, in files of Neurodata Without Borders, to the events of a mismatch session.

A measure of weights or of traces also takes a run and the name of a projection or a population in their place:
`entropy(run, "recurrent")` is `entropy(weights(run, "recurrent"))`, `profile(run, "hidden")` is
`profile(traces(run, "hidden"))`; of a single value for each synapse or unit, that is its mean, or the rate.

A run file that lacks what a measure needs gets a RunFileError that names the recording option to set.
"""

from neuro_mpc.analysis.asymmetry import asymmetry, pairs
from neuro_mpc.analysis.components import principal_components
from neuro_mpc.analysis.determinism import determinism
from neuro_mpc.analysis.energy import inference_energy
from neuro_mpc.analysis.entropy import entropy
from neuro_mpc.analysis.experiments import (
    by_window,
    contrast,
    ensembles,
    experiment,
    lesion_curves,
    mean_interval,
    responses,
)
from neuro_mpc.analysis.histograms import histogram
from neuro_mpc.analysis.intervals import interval
from neuro_mpc.analysis.mismatch import adaptation_and_deviance, mismatch
from neuro_mpc.analysis.mismatch_responses import mismatch_course, mismatch_means, mismatch_responses
from neuro_mpc.analysis.onset import by_load, onset, power_law
from neuro_mpc.analysis.paradigms import paradigms, verdict
from neuro_mpc.analysis.precision import learned_precisions, precision
from neuro_mpc.analysis.projections import compare_projections, summary
from neuro_mpc.analysis.psychometric import psychometric_curves, psychometric_fit
from neuro_mpc.analysis.recorded import recorded
from neuro_mpc.analysis.selectivity import selectivity, tuning
from neuro_mpc.analysis.surprise import error_by_surprise, surprise
from neuro_mpc.analysis.traces import labels, profile, settled, traces
from neuro_mpc.analysis.units import most_variable_units, unit_variability
from neuro_mpc.analysis.weights import projections, weights

__all__ = [
    "adaptation_and_deviance",
    "asymmetry",
    "by_load",
    "by_window",
    "compare_projections",
    "contrast",
    "determinism",
    "ensembles",
    "entropy",
    "error_by_surprise",
    "experiment",
    "histogram",
    "inference_energy",
    "interval",
    "labels",
    "learned_precisions",
    "lesion_curves",
    "mean_interval",
    "mismatch",
    "mismatch_course",
    "mismatch_means",
    "mismatch_responses",
    "most_variable_units",
    "onset",
    "pairs",
    "paradigms",
    "power_law",
    "precision",
    "principal_components",
    "profile",
    "projections",
    "psychometric_curves",
    "psychometric_fit",
    "recorded",
    "responses",
    "selectivity",
    "settled",
    "summary",
    "surprise",
    "traces",
    "tuning",
    "unit_variability",
    "verdict",
    "weights",
]
