#!/usr/bin/env python3
"""Compares `ripieno plan --measure` with measured runs on CPU ranks.

    benchmarks/plan_accuracy.py --bin build/release/bin --text tinyshakespeare.txt [--cases REGEX]

For each case, plan and run alternate in short windows, under the same launcher, since the load of a
shared machine changes from minute to minute: the plan calibrates itself right before each run. Cases
with a link run on hosts that are network namespaces (tests/cluster/hosts.sh, which requires root).
Prints one line of JSON per case: medians over the windows of the step time (of the planned and the
measured one, and of their ratio), and of the memory per rank. Measured memory is the sum of the
proportional set sizes of the ranks (smaps_rollup), at its highest, divided by their number.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# name: program, configuration, settings, steps of a window
WORKLOADS = {
    "gpt-char": ("train_gpt", "gpt_char.toml", [], 30),
    "gpt-10m": ("train_gpt", "gpt_10m.toml", ["train.batch_size=4", "train.micro_batch_size=1"], 4),
    "mlp": ("train_image_classifier", "digits.toml", [], 1000),
}
MODES = {
    "plain": [],
    "shard optimizer": ["parallel.shard=optimizer"],
    "shard gradients": ["parallel.shard=gradients"],
    "bfloat16 wire": ["parallel.wire=bfloat16"],
    "DiLoCo, 10 steps": ["parallel.diloco_steps=10"],
}
# workload, ranks, hosts (0: one host without a network), Gbit/s of each host's link, mode
CASES = [
    ("gpt-char", 1, 0, 0, "plain"),
    ("gpt-char", 2, 0, 0, "plain"),
    ("gpt-char", 4, 0, 0, "plain"),
    ("gpt-10m", 1, 0, 0, "plain"),
    ("gpt-10m", 2, 0, 0, "plain"),
    ("gpt-10m", 4, 0, 0, "plain"),
    ("mlp", 1, 0, 0, "plain"),
    ("mlp", 2, 0, 0, "plain"),
    ("mlp", 4, 0, 0, "plain"),
    ("gpt-char", 2, 0, 0, "shard optimizer"),
    ("gpt-char", 2, 0, 0, "shard gradients"),
    ("gpt-char", 2, 0, 0, "DiLoCo, 10 steps"),
    ("gpt-char", 2, 2, 1, "plain"),
    ("gpt-char", 2, 2, 0.1, "plain"),
    ("gpt-char", 4, 2, 0.1, "plain"),
    ("gpt-char", 2, 2, 0.1, "shard optimizer"),
    ("gpt-char", 2, 2, 0.1, "shard gradients"),
    ("gpt-char", 2, 2, 0.1, "bfloat16 wire"),
    ("gpt-char", 2, 2, 0.1, "DiLoCo, 10 steps"),
    ("gpt-10m", 2, 2, 1, "plain"),
    ("gpt-10m", 2, 2, 0.1, "plain"),
    ("gpt-10m", 2, 2, 0.1, "bfloat16 wire"),
    ("mlp", 2, 2, 1, "plain"),
    ("mlp", 2, 2, 0.1, "plain"),
    ("mlp", 2, 2, 0.1, "DiLoCo, 10 steps"),
]


def name_of(case):
    workload, ranks, hosts, gbits, mode = case
    link = f"{gbits:g} Gbit/s" if hosts else "one host"
    return f"{workload}, {ranks} ranks, {link}, {mode}"


class Launcher:
    """Runs a program on all ranks of a case, or on one rank of each host."""

    def __init__(self, ranks, hosts, gbits):
        self.ranks, self.hosts, self.gbits = ranks, hosts, gbits

    def command(self, program, one_per_host):
        if self.hosts:
            slots = 1 if one_per_host else self.ranks // self.hosts
            layout = f"{self.hosts}x{slots}@{int(1000 * self.gbits)}mbit"
            return [str(ROOT / "tests/cluster/hosts.sh"), "over", layout, *program]
        if one_per_host or self.ranks == 1:
            return program
        return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca",
                "mpi_yield_when_idle", "1", "-n", str(self.ranks), *program]


def settings_of(arguments, case):
    workload, mode = case[0], case[4]
    program, configuration, settings, steps = WORKLOADS[workload]
    settings = settings + MODES[mode]
    if program == "train_gpt":
        settings = settings + [f"data.path={arguments.text}"]
    else:
        settings = settings + [f"data.path={ROOT / 'examples/data/digits.h5'}"]
    words = [word for setting in settings for word in ("--set", setting)]
    return program, str(ROOT / "examples/configs" / configuration), words, steps


def plan(arguments, case):
    _, ranks, hosts, gbits, _ = case
    _, configuration, settings, _ = settings_of(arguments, case)
    command = [str(arguments.ripieno or arguments.bin / "ripieno"), "plan", configuration, *settings,
               "--ranks", str(ranks), "--measure", "--json"]
    if hosts:
        command += ["--link-gbits", str(gbits), "--ranks-per-host", str(ranks // hosts)]
    ended = subprocess.run(Launcher(ranks, hosts, gbits).command(command, one_per_host=True),
                           capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ended.returncode != 0:
        raise SystemExit(f"plan_accuracy.py: {' '.join(command)}: {ended.stderr or ended.stdout}")
    # One of each host, at the same time. The slowest decides.
    plans, rest = [], ended.stdout
    while rest.strip():
        value, end = json.JSONDecoder().raw_decode(rest.lstrip())
        plans.append(value)
        rest = rest.lstrip()[end:]
    return max(plans, key=lambda each: each["step"]["seconds"]["total"])


def memory_of(processes):
    total = 0
    for process in processes:
        try:
            text = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
        except (OSError, ProcessLookupError):
            continue
        if match := re.search(r"^Pss:\s+(\d+)", text, re.M):
            total += int(match[1]) * 1024
    return total


def processes_with(argument):
    """Ids of the processes with this argument that compute, not of launchers."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if argument in words and words[0].rpartition("/")[2].startswith("train_"):
            found.append(folder.name)
    return found


def train(arguments, case):
    _, ranks, hosts, gbits, _ = case
    program, configuration, settings, steps = settings_of(arguments, case)
    with tempfile.TemporaryDirectory(prefix="plan_accuracy_") as directory:
        run = str(pathlib.Path(directory) / "run")
        command = [str(arguments.bin / program), "--config", configuration, *settings, "--quiet", "--device", "cpu",
                   "--run-dir", run, "--steps", str(steps), "--set", "train.evaluate_every=0", "--set",
                   "log.every=1"]
        process = subprocess.Popen(Launcher(ranks, hosts, gbits).command(command, one_per_host=False),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        memory = 0
        while process.poll() is None:
            time.sleep(0.5)
            memory = max(memory, memory_of(processes_with(run)))
        if process.returncode != 0:
            raise SystemExit(f"plan_accuracy.py: {' '.join(command)}: {process.stderr.read().decode()}")
        lines = [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()]
        starts = json.loads((pathlib.Path(run) / "run.json").read_text())
    seconds = [line["seconds"] for line in lines if "seconds" in line][1 if steps < 10 else 5 :]
    # Outer steps of DiLoCo make means necessary; otherwise medians resist other load.
    average = statistics.mean if "DiLoCo" in case[4] else statistics.median
    phases = {phase: average(each[phase] for each in seconds) for phase in seconds[0]}
    started = starts["starts"][-1] if "starts" in starts else starts
    return phases, memory / ranks, started.get("memory", {}).get("persistent_bytes")


def measure(arguments, case):
    windows = []
    for _ in range(arguments.windows):
        planned = plan(arguments, case)
        phases, memory, persistent = train(arguments, case)
        windows.append((planned, phases, memory, persistent))
    ratios = [planned["step"]["seconds"]["total"] / phases["total"] for planned, phases, _, _ in windows]
    median = statistics.median
    return {
        "benchmark": "plan_accuracy",
        "case": name_of(case),
        "windows": arguments.windows,
        "planned_ms": 1e3 * median(w[0]["step"]["seconds"]["total"] for w in windows),
        "measured_ms": 1e3 * median(w[1]["total"] for w in windows),
        "ratio": median(ratios),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "planned_phases_ms": {p: round(1e3 * s, 3) for p, s in windows[-1][0]["step"]["seconds"].items()},
        "measured_phases_ms": {p: round(1e3 * s, 3) for p, s in windows[-1][1].items()},
        "planned_memory_mb": 1e-6 * windows[-1][0]["memory"]["host_bytes_per_rank"],
        "measured_memory_mb": 1e-6 * median(w[2] for w in windows),
        "planned_persistent_bytes": windows[-1][0]["memory"]["persistent_bytes"],
        "measured_persistent_bytes": windows[-1][3],
        "load": os.getloadavg()[0],
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bin", type=pathlib.Path, required=True, help="folder with the programs")
    arguments.add_argument("--ripieno", type=pathlib.Path, help="the ripieno command (default: that of --bin)")
    arguments.add_argument("--text", required=True, help="text to train on")
    arguments.add_argument("--cases", default="", help="only cases whose name has this regular expression")
    arguments.add_argument("--windows", type=int, default=3)
    a = arguments.parse_args()
    a.bin = a.bin.resolve()
    for case in CASES:
        if not re.search(a.cases, name_of(case)):
            continue
        print(json.dumps(measure(a, case)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
