"""The noise from a counter: its bits, its distribution, and that no two numbers know of each other."""

from __future__ import annotations

import platform
import re
import signal
import subprocess

import numpy as np
import pytest
from presented import Presentation, network
from scipy import stats

from neuro_mpc.networks import kernels, phase_runner
from neuro_mpc.networks.compiler import compiler


@pytest.mark.parametrize(
    ("position", "counter", "key", "expected"),
    [
        (0, 0, 0, (0xFF1DAE59, 0x6CD10DF2)),
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_random_bits_are_those_of_philox(position, counter, key, expected):
    """The known answers that Random123 (Salmon et al. 2011) gives for Philox 2x32-10."""
    low, high = kernels.counter_bits(np.array([position]), counter, key)
    assert (low[0], high[0]) == expected


# What processors without vectors, with AVX2 and with AVX-512 compute, in one program. Of the code for AVX-512, the one
# instruction that others lack is spelled out.
VARIANTS = """
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#if defined(__clang__) || !defined(__GNUC__)
#error needs GCC
#endif
#undef __AVX2__
#undef __AVX512F__
namespace plain { PHILOX }
#define __AVX2__ 1
namespace avx2 { PHILOX }
#define __AVX512F__ 1
typedef uint64_t eight __attribute__((vector_size(64)));
static inline eight product(eight a, eight b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }
#define __builtin_ia32_pmuludq512_mask(a, b, zero, all) product((eight)(a), (eight)(b))
namespace avx512 { PHILOX }
static_assert(avx2::WORDS == 4 && avx512::WORDS == 8);

int main()
{
    for (auto philox : {plain::philox, avx2::philox, avx512::philox})
        for (int count : {1, 37, 64})
        {
            uint64_t low[64], high[64];
            for (int i = 0; i < 64; i++)
                low[i] = 0xFFFFFFF0u + i & 0xFFFFFFFFu, high[i] = 0x89ABCDEFu;
            philox(low, high, count, 0xF0F0F0F0u);
            for (int i = 0; i < count; i++)
                std::printf("%u %u\\n", (uint32_t)low[i], (uint32_t)high[i]);
        }
}
"""


@pytest.mark.compiler
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="vectors of another processor")
def test_random_bits_are_those_of_philox_on_every_processor(tmp_path):
    header = (phase_runner.TEMPLATES / "cpp" / "kernels" / "noise.h").read_text()
    philox = re.search(r"inline constexpr int NORMALS.*?#else.*?#endif\n(?=\n)", header, re.DOTALL)[0]
    source, program = tmp_path / "philox.cpp", tmp_path / "philox"
    source.write_text(VARIANTS.replace("PHILOX }", philox + "}"))
    command = [*compiler(), "-std=c++17", "-w", str(source)]
    built = subprocess.run([*command, "-O1", "-mavx2", "-o", str(program)], capture_output=True, text=True)
    if "needs GCC" in built.stderr:
        pytest.skip("needs GCC")
    assert not built.returncode, built.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True)
    if ran.returncode == -signal.SIGILL:
        pytest.skip("needs a processor with AVX2")
    found = np.array(ran.stdout.split(), np.uint32).reshape(3, -1, 2)
    positions = np.concatenate([np.arange(count) for count in (1, 37, 64)]) + 0xFFFFFFF0 & 0xFFFFFFFF
    expected = np.stack(kernels.counter_bits(positions, 0x89ABCDEF, 0xF0F0F0F0), axis=1)
    for variant in found:
        np.testing.assert_array_equal(variant, expected)
    source.write_text(f"#include <cstdint>\n{philox}")
    subprocess.run([*command, "-mavx512f", "-fsyntax-only"], check=True)


def drawn(counter=3, key=11, stream=0, dtype=np.float64, first=0, width=40):
    """(step, trial, unit)"""
    return kernels.normal(25, 40, 200, first, width, counter, key, stream, dtype).reshape(25, width, 200)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("counter", [0, 1, 2**31 - 1])
def test_noise_is_standard_normal(counter, dtype):
    values = drawn(counter, dtype=dtype)
    assert values.dtype == dtype
    values = values.ravel().astype(float)
    n = values.size
    assert abs(values.mean()) < 4 / np.sqrt(n)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(stats.skew(values)) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(values)) < 4 * np.sqrt(24 / n)
    assert stats.kstest(values, "norm").pvalue > 1e-3
    # of 2e5 draws, about 13 lie beyond 4 standard deviations
    assert 1 <= (np.abs(values) > 4).sum() <= 40


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stream", [0, 5])
def test_a_number_is_made_of_the_bits_at_its_place(stream, dtype):
    """By the method of Box and Muller: a random radius and a random angle."""
    step, trial, unit = 3, 5, 7
    place = (step * 40 + trial) * 200 + unit
    radius, angle = (int(bits[0]) for bits in kernels.counter_bits(np.array([place]), 3, 11 ^ stream))
    expected = np.sqrt(-2 * np.log((radius + 0.5) / 2**32)) * np.cos(2 * np.pi * angle / 2**32)
    close = 1e-6 if dtype == np.float32 else 1e-13  # which tells the bits themselves from those half a step off
    assert drawn(stream=stream, dtype=dtype)[step, trial, unit] == pytest.approx(expected, rel=close, abs=close)


NEIGHBOURS = {
    "unit": lambda: (drawn()[..., 1:], drawn()[..., :-1]),
    "trial": lambda: (drawn()[:, 1:], drawn()[:, :-1]),
    "step": lambda: (drawn()[1:], drawn()[:-1]),
    "counter": lambda: (drawn(counter=4), drawn()),
    "far counter": lambda: (drawn(counter=3 + 2**16), drawn()),
    "key": lambda: (drawn(key=12), drawn()),
    "far key": lambda: (drawn(key=11 + 2**31), drawn()),
    "stream": lambda: (drawn(stream=1), drawn()),
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_noise_of_neighbours_is_independent(neighbour):
    left, right = (values.ravel() for values in NEIGHBOURS[neighbour]())
    bound = 4 / np.sqrt(left.size)
    assert abs(np.corrcoef(left, right)[0, 1]) < bound
    assert abs(np.corrcoef(left**2, right**2)[0, 1]) < bound


@pytest.mark.parametrize("width", [1, 7, 40])
def test_noise_does_not_depend_on_tiles(width):
    tiles = [drawn(first=first, width=min(width, 40 - first)) for first in range(0, 40, width)]
    np.testing.assert_array_equal(np.concatenate(tiles, axis=1), drawn())


def test_every_population_has_noise_of_its_own():
    shown = Presentation(network("mixed", "relaxation"))
    shown.net.step("refreshing", "predicting")
    noise = shown.noise
    assert set(noise) == {"a", "b", "c", "output"}
    flat = np.concatenate([values.ravel() for values in noise.values()])
    assert len(np.unique(flat)) == flat.size


def test_noise_is_held_through_a_presentation_and_new_in_the_next():
    shown = Presentation(network("mixed", "relaxation"))
    shown.net.step("refreshing", "predicting")
    held = shown.noise
    shown.net.step("inferring", "learning")
    for name, values in shown.noise.items():
        np.testing.assert_array_equal(values, held[name])
    shown.net.set(noise_counter=2)
    shown.net.step("predicting")
    assert all((values != held[name]).all() for name, values in shown.noise.items())
    shown.net.set(noise_scale=0)
    shown.net.step("predicting")
    assert not any(values.any() for values in shown.noise.values())
