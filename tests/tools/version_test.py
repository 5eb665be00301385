#!/usr/bin/env python3
"""What `--version` of each program prints."""
import os
import subprocess
import unittest

from programs import BIN, MPIRUN

VERSION = os.environ["RIPIENO_VERSION"]
FACTS = [
    r"compiler: (GNU|Clang) \d+\.\d+\.\d+",
    r"CUDA \d+\.\d+(\.\d+)?, architectures [0-9a-z -]+|emulated CUDA|without CUDA",
    r"(?!none|without).*(MPI|MPICH).*\d.*" if MPIRUN else "without MPI",
    r"CPU level: x86-64-v[234]",
    r"build type: \w+",
]


class Version(unittest.TestCase):
    def lines(self, program):
        ended = subprocess.run([str(BIN / program), "--version"], capture_output=True, text=True, timeout=600)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return ended.stdout.splitlines()

    def test_every_program_prints_its_version_and_one_build_fact_per_line(self):
        for program in ("ripieno", "train_gpt", "train_image_classifier", "generate"):
            with self.subTest(program):
                first, *facts = self.lines(program)
                self.assertEqual(first, f"{program} {VERSION}")
                self.assertEqual(len(facts), len(FACTS), facts)
                for fact, pattern in zip(facts, FACTS):
                    self.assertRegex(fact, rf"\A({pattern})\Z")


if __name__ == "__main__":
    unittest.main()
