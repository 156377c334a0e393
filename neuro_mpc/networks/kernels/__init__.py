"""Kernels of the operations of a phase in NumPy, with the names and parameters of those in templates/cpp/kernels.

Arrays are flat and begin where a kernel is to work.  `width` is the number of trials of a tile, whose rows run over
steps, then trials.
"""

from __future__ import annotations

from neuro_mpc.networks.kernels.arrays import view
from neuro_mpc.networks.kernels.clipping import clip_frobenius_norm, clip_largest_norm, clip_spectral_norm
from neuro_mpc.networks.kernels.influences import (
    add_rates,
    add_rates_scaled,
    add_scaled_rows,
    add_symbol,
    add_symbol_scaled,
    add_unit_rates,
    add_unit_rates_scaled,
    diagonal_jacobian,
    diagonal_jacobian_of_variance,
    jacobian,
    jacobian_of_variance,
    shift_slots,
)
from neuro_mpc.networks.kernels.noise import counter_bits, fill_normal, normal
from neuro_mpc.networks.kernels.products import (
    copy_rows,
    fill_rows,
    pack_weights,
    packed_product,
    scale_rows,
    sum_over_rows,
    sum_squares,
    sum_unit_products,
)
from neuro_mpc.networks.kernels.rows import (
    add_cross_entropy,
    add_half_square,
    add_sum,
    add_surprise,
    any_trial,
    carry_rows,
    fill_trials,
    fill_zero,
    softmax_rows,
)
from neuro_mpc.networks.kernels.settling import has_not_risen, last_gains, next_gains, settle_trials, start_lengths
from neuro_mpc.networks.kernels.symbols import (
    choose_rows,
    choose_symbols,
    gather_columns,
    one_hot_rows,
    scatter_columns,
)

__all__ = [
    "add_cross_entropy",
    "add_half_square",
    "add_rates",
    "add_rates_scaled",
    "add_scaled_rows",
    "add_sum",
    "add_surprise",
    "add_symbol",
    "add_symbol_scaled",
    "add_unit_rates",
    "add_unit_rates_scaled",
    "any_trial",
    "carry_rows",
    "choose_rows",
    "choose_symbols",
    "clip_frobenius_norm",
    "clip_largest_norm",
    "clip_spectral_norm",
    "copy_rows",
    "counter_bits",
    "diagonal_jacobian",
    "diagonal_jacobian_of_variance",
    "fill_normal",
    "fill_rows",
    "fill_trials",
    "fill_zero",
    "gather_columns",
    "has_not_risen",
    "jacobian",
    "jacobian_of_variance",
    "last_gains",
    "next_gains",
    "normal",
    "one_hot_rows",
    "pack_weights",
    "packed_product",
    "scale_rows",
    "scatter_columns",
    "settle_trials",
    "shift_slots",
    "softmax_rows",
    "start_lengths",
    "sum_over_rows",
    "sum_squares",
    "sum_unit_products",
    "view",
]
