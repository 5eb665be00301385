#!/usr/bin/env python3
"""Writes docs/operations.md, the table of what models can be made of, from the table that the tests verify.

    write_operations.py [--check] BUILD        BUILD: a build directory with bin/print_parts

With --check nothing is written: the exit status is 1 if the page is stale.
"""
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/operations.md"

HEADER = """# Operations, layers, losses and optimizers

<!-- Written by scripts/write_operations.py from tests/parts; do not edit. -->

Each row is verified by `tests/parts`: forward and backward against values that PyTorch computed in
float64, for each element type; with inputs that are not dense; against finite differences; and on a
GPU, which is emulated on machines without one. *Reference* is the number of cases that are
compared.

| name | kind | element types | CPU | CUDA | reference | finite differences | emulator |
|---|---|---|---|---|---|---|---|
"""


def main():
    check = "--check" in sys.argv[1:]
    build = pathlib.Path([argument for argument in sys.argv[1:] if argument != "--check"][0])
    rows = subprocess.run([build / "bin/print_parts"], check=True, capture_output=True, text=True).stdout
    page = HEADER + rows
    if not check:
        PAGE.write_text(page)
    elif PAGE.read_text() != page:
        sys.exit(f"{PAGE.name} is stale; run scripts/write_operations.py {build}")


main()
