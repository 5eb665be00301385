"""Whole runs of the tests use the CPU and a cache of their own, also where there is a GPU."""

import json
import os
import subprocess
import unittest

import programs


class DeviceOfTests(programs.ProgramTest):
    def devices(self, run):
        return json.loads((self.directory / run / "run.json").read_text())["starts"][-1]["devices"]

    def assert_on_the_cpu(self, run):
        self.assertRegex(" ".join(self.devices(run)), r"^cpu, \d+ threads?$")

    def test_is_the_cpu_for_programs_with_a_configuration(self):
        self.assertEqual(self.command("run")[-2:], ["--device", "cpu"])
        self.assertEqual(self.command("run", "--device", "cuda")[-2:], ["--device", "cuda"])
        self.finish("run", "--steps", 1)
        self.assert_on_the_cpu("run")

    def test_is_the_cpu_for_programs_that_choose_it_themselves(self):
        subprocess.run(
            [programs.BIN / "train_tiny", self.directory / "tiny"], check=True, timeout=600
        )
        self.assert_on_the_cpu("tiny")

    def test_has_a_cache_that_no_other_test_uses(self):
        self.assertEqual(os.environ["RIPIENO_CACHE_DIR"], str(self.directory / "cache"))


if __name__ == "__main__":
    unittest.main()
