#!/usr/bin/env python3
"""gpt2-124m with llm.c: runs its train_gpt2cu on random tokens and prints one line of JSON.

    llm_c.py FOLDER --batch 64      FOLDER: a checkout of llm.c with train_gpt2cu built (fastest with USE_CUDNN=1)
"""
import argparse
import array
import json
import pathlib
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile

MAGIC, VERSION, HEADER = 20240520, 1, 256  # header of data files: int32 words, followed by 16-bit tokens


def write_tokens(path, count):
    draw = random.Random(1)
    with open(path, "wb") as file:
        file.write(struct.pack(f"<{HEADER}i", MAGIC, VERSION, count, *[0] * (HEADER - 3)))
        array.array("H", (draw.randrange(50257) for _ in range(count))).tofile(file)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--context", type=int, default=1024)
    arguments.add_argument("--steps", type=int, default=30)
    a = arguments.parse_args()
    with tempfile.TemporaryDirectory() as data:
        tokens = f"{data}/random_tokens.bin"
        write_tokens(tokens, 4 * a.batch * a.context + 1)
        command = ["./train_gpt2cu", "-i", tokens, "-j", tokens, "-e", "d12", "-b", str(a.batch), "-t", str(a.context),
                   "-d", str(a.batch * a.context), "-x", str(a.steps), "-r", "0", "-v", "0", "-s", "0", "-h", "0"]
        ended = subprocess.run(command, cwd=a.folder, capture_output=True, text=True)
    milliseconds = [float(ms) for ms in re.findall(r"([0-9.]+) ms \|", ended.stdout)]
    if ended.returncode or len(milliseconds) < 6:
        sys.exit(f"llm_c.py: {' '.join(command)} exited with {ended.returncode}: {(ended.stderr or ended.stdout)[-400:]}")
    median = statistics.median(milliseconds[5:])
    print(json.dumps({"benchmark": "llm_c", "workload": "gpt2-124m", "device": "cuda", "dtype": "bf16",
                      "batch": a.batch, "steps": a.steps, "value": 1e3 * a.batch * a.context / median,
                      "unit": "tokens/s", "step_ms": {"min": min(milliseconds), "median": median,
                                                      "max": max(milliseconds[5:])}}))


if __name__ == "__main__":
    main()
