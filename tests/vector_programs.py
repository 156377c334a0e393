"""Programs of C++ around the kernels of a phase, compiled for vectors of every length that the processor has."""

import subprocess
from pathlib import Path

import pytest

from neuro_mpc.errors import RunError
from neuro_mpc.networks import phase_runner
from neuro_mpc.networks.compiler import accepted_flags, compiler

COMPARED = """
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

template <typename T> std::vector<T> drawn(std::size_t count, unsigned seed)
{
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<T> numbers(count);
    for (auto& each : numbers)
        each = uniform(engine);
    return numbers;
}

// How many numbers of C = [C] + sums are not those that `compute` writes, or were written beside C.
template <typename T, typename Compute> int wrong(const std::vector<double>& sums, Compute compute)
{
    const std::size_t margin = 40;
    const std::vector<T> before = drawn<T>(sums.size() + 2 * margin, 1);
    int count = 0;
    for (bool accumulate : {false, true})
    {
        std::vector<T> c = before;
        compute(accumulate, c.data() + margin);
        for (std::size_t i = 0; i < margin; i++)
            count += !(c[i] == before[i]) + !(c[c.size() - 1 - i] == before[c.size() - 1 - i]);
        for (std::size_t i = 0; i < sums.size(); i++)
        {
            double expected = sums[i] + (accumulate ? before[margin + i] : 0);
            count += !(std::fabs(c[margin + i] - expected) < (sizeof(T) == 4 ? 1e-4 : 1e-12));
        }
    }
    return count;
}
"""  # before a program that compares
TARGETS = [("-march=native", 0), ("-mavx2", 32), ("", 16)]  # and the bytes of a vector, where they are known


def compiled(source: Path, program: Path, *flags: str) -> subprocess.CompletedProcess:
    """Without our fast mathematics, that a number which is none is found."""
    return subprocess.run(
        [*compiler(), "-O2", "-std=c++17", "-w", *flags, str(source), "-o", str(program)],
        capture_output=True,
        text=True,
    )


def printed(text: str, target: str, folder: Path) -> list[int]:
    """The numbers that a program prints; a target that is not for this processor is skipped."""
    try:
        known = accepted_flags("float32", *filter(None, [target]))
    except RunError:
        pytest.skip("needs a C++ compiler")
    source, program = folder / "program.cpp", folder / "program"
    if target:
        source.write_text("int main() { volatile float x[64]; for (int i = 0; i < 64; i++) x[i] = i; }")
        if (
            target not in known
            or compiled(source, program, target).returncode
            or subprocess.run([str(program)]).returncode
        ):
            pytest.skip(f"not for this processor: {target}")
    source.write_text(text)
    built = compiled(source, program, f"-I{phase_runner.TEMPLATES}", *filter(None, [target]))
    assert not built.returncode, built.stderr
    told = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return [int(word) for word in told.split()]
