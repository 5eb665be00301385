#!/usr/bin/env python3
"""Compares the results of kernel tests on the emulated and on a real GPU (outputs.h), and prints the largest relative
difference of each test. Fails if one is too large to be explained by different rounding of transcendental functions and
by fused multiply-adds.

    compare_outputs.py EMULATED REAL
"""
import array
import struct
import sys

# Largest allowed differences: a few units in the last place, as in the tests themselves.
LIMITS = {"float32": 5e-5, "float64": 1e-11, "bfloat16": 2.0 ** -6, "float16": 2.0 ** -9}


def numbers(kind, data):
    if kind == "float32":
        return array.array("f", data)
    if kind == "float64":
        return array.array("d", data)
    if kind == "bfloat16":
        return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
    if kind == "float16":
        return struct.unpack(f"<{len(data) // 2}e", data)
    return data  # bytes of integers, which must be equal


def outputs(path):
    with open(path, "rb") as file:
        while line := file.readline():
            name, kind, size = line.decode().split()
            yield name, kind, file.read(int(size))


def difference(kind, a, b):
    if a == b:
        return 0.0
    if kind not in LIMITS:
        return float("inf")
    furthest = 0.0
    for x, y in zip(numbers(kind, a), numbers(kind, b)):
        if x == y or (x != x and y != y):
            continue
        furthest = max(furthest, abs(x - y) / (1.0 + abs(x)) if x == x and y == y else float("inf"))
    return furthest


def main():
    emulated, real = (list(outputs(path)) for path in sys.argv[1:3])
    shared = {o[0] for o in emulated} & {o[0] for o in real}  # some tests run on only one of the two
    emulated, real = ([o for o in side if o[0] in shared] for side in (emulated, real))
    if [o[:2] for o in emulated] != [o[:2] for o in real]:
        sys.exit("compare_outputs.py: the two runs have different tests or outputs")
    furthest = {}
    for (name, kind, a), (_, _, b) in zip(emulated, real):
        furthest[name, kind] = max(furthest.get((name, kind), 0.0), difference(kind, a, b))
    wrong = [key for key, value in furthest.items() if not value <= LIMITS.get(key[1], 0.0)]
    for (name, kind), value in sorted(furthest.items(), key=lambda item: -item[1]):
        print(f"{value:9.2e}  {kind:9}  {name}{'  TOO LARGE' if (name, kind) in wrong else ''}")
    print(f"{len(emulated)} outputs of {len(furthest)} tests and types, {len(wrong)} differences too large")
    sys.exit(bool(wrong or not emulated))


if __name__ == "__main__":
    main()
