#!/usr/bin/env python3
"""scripts/write_gpu_results.py keeps all that cannot be measured again without the GPU."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/write_gpu_results.py"
FILES = {
    "probe.json": {"gpu": "NVIDIA H200", "driver": "580.0"},
    "steps.json": {
        "benchmark": "train_step",
        "workload": "gpt2-124m",
        "seconds_to_first_step": 3.0,
    },
    "choices.json": {
        "benchmark": "train_step",
        "without": "USE_CUDNN",
        "seconds_to_first_step": 9.0,
    },
    "kernels.json": {
        "benchmark": "kernels",
        "workload": "gelu",
        "value": 3900.0,
        "unit": "GB/s",
        "share_of_copy": 0.91,
    },
    "profile.json": {"benchmark": "kernel_times", "kernel": "soft()", "count": 2.0, "ms": 1.5},
}


class Results(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state, into = pathlib.Path(folder.name) / "gpu", pathlib.Path(folder.name) / "results"
        (self.state / "cache").mkdir(parents=True)
        for name, line in FILES.items():
            (self.state / name).write_text(json.dumps(line) + "\n")
        for name in (
            "cache/matmul.txt",
            "cache/plan-1.txt",
            "smoke.log",
            "smoke.done",
            "ranks.skipped",
        ):
            (self.state / name).write_text(name)
        subprocess.run(
            [sys.executable, SCRIPT, self.state, "abc", "--into", into],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.kept = next(into.glob("nvidia_h200-*"))

    def test_are_the_measurements_and_the_state_of_each_stage(self):
        record = json.loads((self.kept / "record.json").read_text())
        self.assertEqual(record["stages"], {"smoke": "done", "ranks": "skipped"})
        self.assertEqual(record["steps"], [FILES["steps.json"], FILES["choices.json"]])
        self.assertEqual(record["profile"], [FILES["profile.json"]])

    def test_are_the_logs_algorithms_and_plans(self):
        for name in ("smoke.log", "cache/matmul.txt", "cache/plan-1.txt"):
            self.assertEqual((self.kept / name).read_text(), name)

    def test_are_tables(self):
        table = (self.kept / "table.md").read_text()
        self.assertIn("| gelu | 3,900 GB/s | 0.91 |", table)
        self.assertIn("| `soft()` | 2 | 1.500 |", table)
        self.assertIn("algorithms already chosen: 3.0 s", table)


if __name__ == "__main__":
    unittest.main()
