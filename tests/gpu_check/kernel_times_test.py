#!/usr/bin/env python3
"""benchmarks/kernel_times.py: what both runs do cancels out."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "benchmarks/kernel_times.py"
FEWER = {
    "search": {"count": 900, "ms": 50.0},
    "_ZN7ripieno7kernels4softEv": {"count": 10, "ms": 5.0},
}
MORE = {
    "search": {"count": 900, "ms": 50.4},
    "_ZN7ripieno7kernels4softEv": {"count": 30, "ms": 25.0},
    "copy": {"count": 10, "ms": 30.0},
}


class KernelTimes(unittest.TestCase):
    def run_on(self, fewer, more):
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("fewer", "more", "out")]
            paths[0].write_text(json.dumps(fewer))
            paths[1].write_text(json.dumps(more))
            ended = subprocess.run(
                [sys.executable, SCRIPT, *paths[:2], "--steps", "10", "--write", paths[2]],
                capture_output=True,
                text=True,
            )
            written = paths[2].read_text() if paths[2].exists() else ""
            return ended, [json.loads(line) for line in written.splitlines()]

    def test_are_those_of_one_step_the_longest_first(self):
        ended, lines = self.run_on(FEWER, MORE)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(
            [(line["kernel"], line["count"], line["ms"]) for line in lines],
            [("copy", 1.0, 3.0), ("soft()", 2.0, 2.0)],
        )
        self.assertIn("5.000 ms per step in 3 launches", ended.stdout)

    def test_without_a_difference_are_an_error(self):
        ended, _ = self.run_on(MORE, MORE)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("has no kernel that", ended.stderr)


if __name__ == "__main__":
    unittest.main()
