"""Checks that each launch that the emulator has seen fits: threads, registers and shared memory.

    launch_limits_test.py PTXAS CXXFILT NM EMULATED_TESTS OBJECT...

Runs the tests of kernels on the emulator, which record each launch (emulated/record_launches.cpp),
and compiles the kernels for each architecture, because the number of registers differs. All
instances of a kernel template must fit with every launch of one of them, since the tests do not use
each type in each shape.
"""

import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import compiler_report

THREADS = 1024  # per block
REGISTERS, REGISTERS_PER_THREAD = 65536, 255  # per block
STATIC_SHARED = 48 << 10
# Bytes of shared memory that a block can have. The emulated GPU has that of sm_90.
SHARED = {"sm_80": 163 << 10, "sm_90": 227 << 10, "sm_100": 227 << 10}
# Kernels whose launcher asks the device for its shared memory: a launch on sm_90 is not one on
# sm_80.
FIT_THEMSELVES = r"in_place_kernel<"
# Launched by the tests of products, whose launches are not recorded, without shared memory and in
# blocks of thread_each() or warp_each(), as other kernels are.
LAUNCHED_ELSEWHERE = r"(^|::)(count_differences|(transposed_)?column_sums)_kernel$"


def template_of(name):
    return re.split(r"[<(]", name)[0]


def launches_of(program, nm, cxxfilt):
    """{kernel template: {(threads per block, dynamic shared bytes)}} of the tests of a program."""
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder) / "launches"
        subprocess.run(
            [program, "--gtest_brief=1"],
            env={**os.environ, "RIPIENO_LAUNCHES": str(record)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        lines = [tuple(map(int, line.split())) for line in record.read_text().splitlines()]
    symbols = {}
    for line in subprocess.run(
        [nm, program], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        if match := re.fullmatch(r"([0-9a-f]+) [tTwWuV] (\S+)", line):
            symbols[int(match[1], 16)] = match[2]
    found = collections.defaultdict(set)
    names = compiler_report.readable(cxxfilt, sorted({symbols[offset] for offset, _, _ in lines}))
    for offset, threads, shared in lines:
        found[template_of(names[symbols[offset]])].add((threads, shared))
    return found


def registers_of_block(registers, threads):
    warps = -(-threads // 32)
    return warps * -(-registers * 32 // 256) * 256


def problems(architecture, kernels, launches):
    for name, kernel in kernels.items():
        if kernel.registers > REGISTERS_PER_THREAD:
            yield f"{name}: {kernel.registers} registers per thread"
        if kernel.shared > STATIC_SHARED:
            yield f"{name}: {kernel.shared} bytes of static shared memory, at most {STATIC_SHARED}"
        template = template_of(name)
        if template not in launches and not re.search(LAUNCHED_ELSEWHERE, template):
            yield f"{name}: no test on the emulator launches it"
        for threads, dynamic in sorted(launches.get(template_of(name), ())):
            where = f"{name} on {architecture} with {threads} threads and {dynamic} dynamic bytes"
            if threads > THREADS:
                yield f"{where}: at most {THREADS} threads"
            if registers_of_block(kernel.registers, threads) > REGISTERS:
                yield f"{where}: more than {REGISTERS} registers, {kernel.registers} per thread"
            most = max(SHARED.values()) if re.search(FIT_THEMSELVES, name) else SHARED[architecture]
            if kernel.shared + dynamic > most:
                yield f"{where}: with {kernel.shared} static bytes this is more than {most}"


def main():
    ptxas, cxxfilt, nm, program = sys.argv[1:5]
    launches = launches_of(program, nm, cxxfilt)
    count = 0
    for architecture in SHARED:
        kernels = compiler_report.kernels_of(
            ptxas, list(map(pathlib.Path, sys.argv[5:])), architecture
        )
        names = compiler_report.readable(cxxfilt, list(kernels))
        for problem in problems(
            architecture, {names[mangled]: kernel for mangled, kernel in kernels.items()}, launches
        ):
            print(problem)
            count += 1
    print(
        f"{len(kernels)} kernels, {sum(map(len, launches.values()))} different launches, "
        f"{count} problems"
    )
    return 1 if count or not kernels else 0


if __name__ == "__main__":
    sys.exit(main())
