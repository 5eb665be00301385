#!/usr/bin/env python3
"""Prints the milliseconds of each kernel in one step, from two runs, the second with N more steps.

    kernel_times.py FEWER.json MORE.json --steps N [--write FILE]

The files are those of the library kernel_times (kernel_times.cpp). What both runs do, such as
loading and the search for algorithms, cancels out.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess


def readable(names):
    """Demangled names, without the parts that all kernels share."""
    if not names or not shutil.which("c++filt"):
        return dict(zip(names, names))
    lines = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    ).stdout
    short = (
        re.sub(r"ripieno::kernels::|\(anonymous namespace\)::|^void ", "", line)
        for line in lines.splitlines()
    )
    return dict(zip(names, short))


def per_step(fewer, more, steps):
    """{name: {"count", "ms"} of one step}, the longest first."""
    nothing = {"count": 0, "ms": 0.0}
    rows = {
        name: {key: (times[key] - fewer.get(name, nothing)[key]) / steps for key in nothing}
        for name, times in more.items()
    }
    return dict(
        sorted(
            ((name, row) for name, row in rows.items() if row["count"] > 0),
            key=lambda item: -item[1]["ms"],
        )
    )


def table(rows):
    total = sum(row["ms"] for row in rows.values())
    yield f"{total:10.3f} ms per step in {sum(row['count'] for row in rows.values()):.0f} launches"
    for name, row in rows.items():
        yield f"{row['ms']:10.3f} ms {row['ms'] / total:6.1%} {row['count']:7.1f} launches  {name}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("fewer", type=pathlib.Path)
    arguments.add_argument("more", type=pathlib.Path)
    arguments.add_argument("--steps", type=int, required=True)
    arguments.add_argument("--write", type=pathlib.Path)
    a = arguments.parse_args()
    rows = per_step(*(json.loads(path.read_text()) for path in (a.fewer, a.more)), a.steps)
    names = readable(list(rows))
    rows = {names[name]: row for name, row in rows.items()}
    if not rows:
        raise SystemExit(f"kernel_times.py: {a.more} has no kernel that {a.fewer} does not have")
    print("\n".join(table(rows)))
    if a.write:
        lines = ({"benchmark": "kernel_times", "kernel": name, **row} for name, row in rows.items())
        a.write.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
