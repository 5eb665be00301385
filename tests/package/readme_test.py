#!/usr/bin/env python3
"""The program in the README is examples/train_small_gpt.cpp, to the letter."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
shown = re.search(r"```cpp\n(.*?)```", (root / "README.md").read_text(), re.S)
program = (root / "examples/train_small_gpt.cpp").read_text()
if not shown or shown[1] != program:
    sys.exit("README.md does not show examples/train_small_gpt.cpp as it is: copy it there.")
