#!/usr/bin/env python3
"""Checks the compiler's report of each kernel: registers, spills, the width of memory accesses, and line numbers.

    compiler_report_test.py PTXAS CXXFILT OBJECT...

The objects must contain uncompressed PTX, which ptxas compiles for sm_90. Objects of runtime/ are skipped, since they
have kernels of other projects.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

REGISTERS = 65536  # of a multiprocessor, from sm_80 to sm_100
WARPS = 64

# Kernels that may use local memory for what does not fit in registers, and why.
MAY_SPILL = {
    r"formulas::(Sin|Cos)<": "a large argument is reduced by digits of 2 / pi, which are found by index",
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
    (r"cuda::forward_kernel<float, [12]>\(.*Inputs", 256, 2),
    (r"cuda::query_gradient_kernel<float, 1>", 256, 2),
    (r"cuda::key_value_gradient_kernel<float, 1>", 256, 2),
]

# (kernel, which of its accesses must be 16 bytes wide, minimum number of instantiations).
VECTORS = [
    (r"cuda::map_kernel<[248], .*(Value<|TimesDerivative<|Affine)", "both", 60),
    (r"cuda::map_kernel<[248], Cast<", "either", 48),  # of the wider type
    (r"cuda::map_kernel<[248], .*Constant", "store", 4),
    (r"dropout_kernel<[248], ", "both", 4),
    (r"cuda::layer_norm_forward_kernel<[248], ", "both", 4),
    (r"cuda::layer_norm_backward_kernel<[248], ", "both", 4),
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
    (r"cuda::(forward|query_gradient|key_value_gradient)_kernel<(float|double), [12]>.*Inputs", "both", 12),
    (r"cuda::(forward|query_gradient|key_value_gradient)_kernel<.*16, [12]>.*Inputs", "load", 12),
    (r"add_(tiles|partials)_kernel<.*, [248]>", "both", 8),
]
SIXTEEN_BYTES = {
    "load": re.compile(r"\bld\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b"),
    "store": re.compile(r"\bst\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b"),
}


class Kernel:
    def __init__(self):
        self.registers = self.stack = self.spilled = None
        self.code = ""


def ptx_in(objects):
    """The PTX of each source file."""
    texts = [text for path in objects for text in re.findall(rb"\.version \d[^\0]*", path.read_bytes())]
    return [text.decode() for text in texts if b".entry" in text]


def report_of(ptxas, ptx):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "kernels.ptx"
        source.write_text(ptx)
        command = [ptxas, "-v", "-arch=sm_90", str(source), "-o", str(source.with_suffix(".cubin"))]
        return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr


def kernels_of(ptxas, objects):
    """Kernels by mangled name."""
    kernels = {}
    texts = ptx_in(objects)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda ptx: report_of(ptxas, ptx), texts))
    for ptx, report in zip(texts, reports):
        kernel = None
        for line in report.splitlines():
            if match := re.search(r"Compiling entry function '(\S+)'", line):
                kernel = kernels.setdefault(match[1], Kernel())
            elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores", line):
                kernel.stack, kernel.spilled = int(match[1]), int(match[2])
            elif match := re.search(r"Used (\d+) registers", line):
                kernel.registers = int(match[1])
        # Up to the next function, because a brace alone on a line may also end a block.
        for match in re.finditer(r"\.entry (\w+)\((.*?)(?=\.entry |\.func |\Z)", ptx, re.DOTALL):
            kernels[match[1]].code = match[2]
    return kernels


def readable(cxxfilt, names):
    listing = subprocess.run([cxxfilt], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    short = (re.sub(r"ripieno::kernels::|\(anonymous namespace\)::|^void ", "", name) for name in listing.splitlines())
    return dict(zip(names, short))


def blocks_that_fit(registers, threads):
    warps = -(-threads // 32)
    of_warp = -(-registers * 32 // 256) * 256
    return min(REGISTERS // (of_warp * warps), WARPS // warps)


def problems(kernels):
    for name, kernel in kernels.items():
        if None in (kernel.registers, kernel.stack, kernel.spilled) or not kernel.code:
            yield f"{name}: the compiler report is incomplete"
        elif (kernel.stack or kernel.spilled) and not any(re.search(known, name) for known in MAY_SPILL):
            yield f"{name}: uses {kernel.stack} bytes of stack and spills {kernel.spilled} bytes"
        if kernel.code and not re.search(r"^\s*\.loc\s", kernel.code, re.MULTILINE):
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
            made = {access for access, instruction in SIXTEEN_BYTES.items() if instruction.search(kernel.code)}
            if not (made if which == "either" else {"load", "store"} <= made if which == "both" else which in made):
                yield f"{name}: 16-byte accesses are {sorted(made)}, required: {which}"


def main():
    ptxas, cxxfilt, objects = sys.argv[1], sys.argv[2], map(pathlib.Path, sys.argv[3:])
    kernels = kernels_of(ptxas, [path for path in objects if path.parent.name != "runtime"])
    names = readable(cxxfilt, list(kernels))
    found = list(problems({names[mangled]: kernel for mangled, kernel in kernels.items()}))
    for problem in found:
        print(problem)
    print(f"{len(kernels)} kernels, {len(found)} problems")
    return 1 if found or not kernels else 0


if __name__ == "__main__":
    sys.exit(main())
