#!/usr/bin/env python3
"""Checks each kernel as compiled for sm_90: registers, spills, the width of memory accesses, and line numbers.

    compiler_report_test.py PTXAS CXXFILT OBJECT... [--nvdisasm FILE]

Accesses are looked up in the machine code, or in the PTX if there is no nvdisasm.
"""
import argparse
import pathlib
import re
import sys

import compiler_report

REGISTERS = 65536  # of a multiprocessor, from sm_80 to sm_100
WARPS = 64

# Kernels that may use local memory for what does not fit in registers, and why.
MAY_SPILL = {
    r"formulas::(Sin|Cos)<": "a large argument is reduced by digits of 2 / pi, which are found by index",
    r"fill_kernel<.*normal_at": "the same",
    r"rotary_table_kernel<": "the same",
    r"function_(backward_)?kernel<": "the same",
    r"(forward|query_gradient|key_value_gradient)_kernel<.*, [12], true>":
        "the loops over scores with masks and dropout are too long to unroll, so scores are indexed in memory",
}

# (kernel, threads per block, blocks that must fit on a multiprocessor): enough to have 32 KiB of loads
# in flight, which an H200's bandwidth requires at its latency.
OCCUPANCY = [
    (r"cuda::map_kernel<.*(Cast|Value<|Affine|Constant).*>", 256, 4),
    (r"cuda::layer_norm_forward_kernel<8, .*>", 96, 6),
    (r"cuda::layer_norm_backward_kernel<8, .*>", 96, 4),
    (r"cuda::walk_arena_kernel<4, .*>", 256, 3),
    (r"cuda::reduce_columns_kernel<.*>", 256, 4),
    (r"sum_chunks_of_squares_kernel<[48], .*>", 256, 4),
    (r"in_place_kernel<.*float16, 8, true>", 512, 2),
    (r"add_tiles_kernel<.*float16, 8>", 256, 4),
]

OCCUPANCY += [  # attention in float, which is bound by arithmetic
    (r"cuda::forward_kernel<float, [12], false>\(.*Inputs", 256, 2),
    (r"cuda::query_gradient_kernel<float, 1, false>", 256, 2),
    (r"cuda::key_value_gradient_kernel<float, 1, false>", 256, 2),
]

# (kernel, which of its accesses must be 16 bytes wide, minimum number of instantiations).
VECTORS = [
    (r"cuda::map_kernel<[248], .*(Value<|TimesDerivative<|Affine)", "both", 60),
    # Of the wider type. To narrow an int64_t the compiler loads only the low half of each.
    (r"cuda::map_kernel<[248], Cast<(?!(int|unsigned char), long>)", "either", 46),
    (r"cuda::map_kernel<[248], .*Constant", "store", 4),
    (r"dropout_kernel<[248], ", "both", 4),
    (r"cuda::layer_norm_forward_kernel<[248], ", "both", 4),
    (r"cuda::layer_norm_backward_kernel<[248], ", "both", 4),
    (r"cuda::rms_norm_(forward|backward)_kernel<[248], ", "both", 8),
    (r"rotate_kernel<[248], ", "both", 4),
    (r"swiglu_backward_kernel<[248], ", "both", 4),
    (r"softmax_(forward|backward)_kernel<[248], ", "both", 8),
    (r"cuda::walk_arena_kernel<[24], ", "both", 8),
    (r"(binary|copy|copy_to)_strided_kernel<(2|4|8|16), ", "both", 12),
    (r"cuda::reduce_columns_kernel<.*, [248], ", "load", 8),
    (r"reduce_rows_kernel<.*, [248], ", "load", 8),
    (r"sum_chunks_of_squares_kernel<[248], ", "load", 4),
    (r"cuda::map_kernel<[248], Scaled<", "either", 10),
    (r"in_place_kernel<.*, [248], ", "both", 8),
    (r"backward_kernel<(float|double|.*16), [248]>", "both", 4),
    (r"forward_kernel<(float|double|.*16), [248]>\(.*LogitsShape", "load", 4),
    (r"forward_kernel<(float|double|.*16), [248]>\(.*EmbeddingShape", "both", 4),
    (r"cuda::(forward|query_gradient|key_value_gradient)_kernel<(float|double), [12], false>.*Inputs", "both", 12),
    (r"cuda::(forward|query_gradient|key_value_gradient)_kernel<.*16, [12], false>.*Inputs", "load", 12),
    (r"add_(tiles|partials)_kernel<.*, [248]>", "both", 8),
]
SIXTEEN_BYTES_PTX = {
    "load": re.compile(r"\bld\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b"),
    "store": re.compile(r"\bst\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b"),
}
SIXTEEN_BYTES_SASS = {
    "load": re.compile(r"\bLDG?\.E(\.\w+)*\.128\b"),
    "store": re.compile(r"\bSTG?\.E(\.\w+)*\.128\b"),
}
LOCAL_SASS = re.compile(r"\b(LDL|STL)\b")
# Instructions of tensor cores. Only the libraries use them; a kernel of ours that does must be
# listed here.
MATRIX_SASS = re.compile(r"\b(H|I|D|Q|HG|IG|QG|BG)MMA\b")
USES_TENSOR_CORES = []


def wide_accesses(kernel):
    patterns, code = (SIXTEEN_BYTES_SASS, kernel.sass) if kernel.sass else (SIXTEEN_BYTES_PTX, kernel.ptx)
    return {access for access, instruction in patterns.items() if instruction.search(code)}


def is_one_of(name, patterns):
    return any(re.search(pattern, name) for pattern in patterns)


def blocks_that_fit(registers, threads):
    warps = -(-threads // 32)
    of_warp = -(-registers * 32 // 256) * 256
    return min(REGISTERS // (of_warp * warps), WARPS // warps)


def problems(kernels, has_sass):
    for name, kernel in kernels.items():
        if kernel.registers is None or not kernel.ptx or has_sass and not kernel.sass:
            yield f"{name}: the compiler report is incomplete"
        elif (kernel.stack or kernel.spilled) and not is_one_of(name, MAY_SPILL):
            yield f"{name}: uses {kernel.stack} bytes of stack and spills {kernel.spilled} bytes"
        elif LOCAL_SASS.search(kernel.sass) and not is_one_of(name, MAY_SPILL):
            yield f"{name}: accesses local memory"
        elif has_sass and bool(MATRIX_SASS.search(kernel.sass)) != is_one_of(name, USES_TENSOR_CORES):
            yield f"{name}: uses tensor cores but is not listed, or is listed but does not"
        if kernel.ptx and not re.search(r"^\s*\.loc\s", kernel.ptx, re.MULTILINE):
            yield f"{name}: has no line numbers, which profilers and the sanitizer need (-lineinfo)"
    for pattern, threads, wanted in OCCUPANCY:
        found = {name: kernel for name, kernel in kernels.items() if re.search(pattern, name)}
        if not found:
            yield f"no kernel matches {pattern}"
        for name, kernel in found.items():
            fit = blocks_that_fit(kernel.registers, threads)
            if fit < wanted:
                yield f"{name}: uses {kernel.registers} registers, so {fit} blocks of {threads} threads fit; {wanted} required"
    for pattern, which, least in VECTORS:
        found = {name: kernel for name, kernel in kernels.items() if re.search(pattern, name)}
        if len(found) < least:
            yield f"{len(found)} kernels match {pattern}, at least {least} required"
        for name, kernel in found.items():
            made = wide_accesses(kernel)
            if not (made if which == "either" else {"load", "store"} <= made if which == "both" else which in made):
                yield f"{name}: 16-byte accesses are {sorted(made)}, required: {which}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("ptxas")
    arguments.add_argument("cxxfilt")
    arguments.add_argument("objects", nargs="+", type=pathlib.Path)
    arguments.add_argument("--nvdisasm")
    a = arguments.parse_args()
    kernels = compiler_report.kernels_of(a.ptxas, a.objects, "sm_90", a.nvdisasm)
    names = compiler_report.readable(a.cxxfilt, list(kernels))
    found = list(problems({names[mangled]: kernel for mangled, kernel in kernels.items()}, bool(a.nvdisasm)))
    for problem in found:
        print(problem)
    print(f"{len(kernels)} kernels, {len(found)} problems, in {'machine code' if a.nvdisasm else 'PTX'}")
    return 1 if found or not kernels else 0


if __name__ == "__main__":
    sys.exit(main())
