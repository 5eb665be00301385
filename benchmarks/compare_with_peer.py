#!/usr/bin/env python3
"""Measures train_step and PyTorch alternately on one workload. Prints each round and finally a comparison.

Both processes run from the first round to the last, so that each compiles and warms up once. With --alone, one ends
before the other starts, for models of which only one fits into memory; rounds are then not paired.

processor_ms is the processor time per step of all threads of a process. With --threads 1 it is comparable also on a
machine that is busy with other work, where the time that a step waits for a processor is not.

    compare_with_peer.py gpt2-124m --device cuda --dtype bf16 --compile --repeats 5 --bin build/gpu/bin
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


class Side:
    """A process that runs one round for each line of its input."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def processor_seconds(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def round(self):
        before = self.processor_seconds()
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # detected by the empty line below
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare_with_peer.py: {' '.join(self.command)} exited with {self.process.wait()} during a round")
        print(line, end="", flush=True)
        return json.loads(line) | {"processor_seconds": self.processor_seconds() - before}

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def rounds(ours, peer, a):
    if a.alone:
        results = []
        for command in (ours, peer):
            side = Side(command)
            results.append([side.round() for _ in range(a.repeats)])
            side.end()
        return results
    sides = Side(ours), Side(peer)
    results = [], []
    for repeat in range(a.repeats):
        for i in (0, 1) if repeat % 2 == 0 else (1, 0):
            results[i].append(sides[i].round())
    for side in sides:
        side.end()
    return results


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("workload")
    arguments.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    arguments.add_argument("--batch", type=int)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--steps", type=int, default=10)
    arguments.add_argument("--warmup", type=int, default=3)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--compile", action="store_true", help="use torch.compile for PyTorch")
    arguments.add_argument("--alone", action="store_true", help="run one process after the other")
    arguments.add_argument("--bin", default="build/release/bin", help="folder of train_step (default: build/release/bin)")
    arguments.add_argument("--python", default="python3", help="Python interpreter with PyTorch (default: python3)")
    a = arguments.parse_args()
    shared = ["--device", a.device, "--dtype", a.dtype, "--threads", str(a.threads), "--steps", str(a.steps),
              "--warmup", str(a.warmup), "--rounds"] + (["--batch", str(a.batch)] if a.batch else [])
    ours = [f"{a.bin}/train_step", "--workload", a.workload, *shared]
    peer = [a.python, str(HERE / "peers/torch_peer.py"), a.workload, *shared] + (["--compile"] if a.compile else [])
    mine, theirs = rounds(ours, peer, a)
    values = [[r["value"] for r in side] for side in (mine, theirs)]
    ratios = [m / t for m, t in zip(*values)]
    # The first round of a side includes its start.
    busy = [[r["processor_seconds"] / a.steps * 1e3 for r in side[1:] or side] for side in (mine, theirs)]
    busy_ratios = [t / m for m, t in zip(*busy)]
    print(json.dumps({
        "benchmark": "compare_with_peer", "workload": a.workload, "device": a.device, "dtype": a.dtype,
        "batch": mine[0]["batch"], "value": statistics.median(values[0]), "unit": mine[0]["unit"],
        "peer": f"torch {theirs[0]['version']}{' compiled' if a.compile else ''}",
        "peer_value": statistics.median(values[1]), "ratio": statistics.median(ratios),
        "ratio_least": min(ratios), "ratio_most": max(ratios), "paired": not a.alone, "repeats": a.repeats,
        "processor_ms": statistics.median(busy[0]), "peer_processor_ms": statistics.median(busy[1]),
        "processor_ratio": statistics.median(busy_ratios), "processor_ratio_least": min(busy_ratios),
        "processor_ratio_most": max(busy_ratios),
        "peak_bytes": mine[-1]["peak_bytes"], "peer_peak_bytes": theirs[-1]["peak_bytes"],
        "seconds_to_first_step": mine[0]["seconds_to_first_step"],
        "losses": [mine[-1]["last_loss"], theirs[-1]["last_loss"]]}))


if __name__ == "__main__":
    main()
