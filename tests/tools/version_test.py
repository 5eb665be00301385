#!/usr/bin/env python3
"""What `--version` of each program prints."""
import os
import subprocess
import unittest

from programs import BIN, MPIRUN

VERSION = os.environ["RIPIENO_VERSION"]
FACTS = [
    ("compiler", r"(GNU|Clang) \d+\.\d+\.\d+"),
    ("CUDA", r"CUDA \d+\.\d+(\.\d+)? for [0-9a-z][0-9a-z -]*|emulated CUDA|without CUDA"),
    ("MPI", r"(?!none)\S.*" if MPIRUN else "without MPI"),
    ("CPU level", r"x86-64-v[234]"),
    ("build type", r"\w+"),
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
                self.assertEqual([fact.partition(": ")[0] for fact in facts], [name for name, _ in FACTS])
                for fact, (name, value) in zip(facts, FACTS):
                    self.assertRegex(fact, rf"\A{name}: ({value})\Z")

    def test_mpi_is_reported_if_and_only_if_it_is_built_in(self):
        self.assertEqual("MPI: without MPI" in self.lines("ripieno"), not MPIRUN)


if __name__ == "__main__":
    unittest.main()
