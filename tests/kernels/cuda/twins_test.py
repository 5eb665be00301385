"""Checks that every CPU kernel has a CUDA counterpart for each type, and vice versa.

Usage: twins_test.py NM CPU_LIBRARY KERNELS_LIBRARY
"""
import re
import subprocess
import sys

KERNEL = re.compile(r"\b(ripieno::kernels::\w+(?:<[^(]*>)?\(ripieno::kernels::)(OnCpu|OnCuda)\b(.*)$")


def kernels(command, place):
    """Signatures of the functions that are defined for a backend, without the backend."""
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Lambdas inside a kernel are named after it.
    found = (KERNEL.search(line) for line in listing.splitlines() if "{lambda" not in line)
    return {match[1] + match[3] for match in found if match and match[2] == place}


def main():
    nm, cpu_library, kernels_library = sys.argv[1:]
    on_cpu = kernels([nm, "-C", "-D", "--defined-only", cpu_library], "OnCpu")
    on_cuda = kernels([nm, "-C", "--defined-only", kernels_library], "OnCuda")
    for signature in sorted(on_cpu - on_cuda):
        print(f"on the CPU only: {signature}")
    for signature in sorted(on_cuda - on_cpu):
        print(f"on the GPU only: {signature}")
    print(f"{len(on_cpu & on_cuda)} kernels on both")
    return 0 if on_cpu == on_cuda and on_cpu else 1


if __name__ == "__main__":
    sys.exit(main())
