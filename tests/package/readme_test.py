#!/usr/bin/env python3
"""The program in README.md is an exact copy of examples/train_small_gpt.cpp."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
shown = re.search(r"```cpp\n(.*?)```", (root / "README.md").read_text(), re.S)
program = (root / "examples/train_small_gpt.cpp").read_text()
if not shown or shown[1] != program:
    sys.exit("the first cpp block of README.md differs from examples/train_small_gpt.cpp; copy the program there")
