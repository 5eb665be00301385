"""Whatever makes 60 steps slow is named by `ripieno explain`, and one slow rank also on stderr."""
import os
import subprocess
import sys
import unittest

import programs

HOG = "while True: pass"


@unittest.skipUnless((programs.BIN / "ripieno").exists(), "built without the tools")
@programs.needs_mpi
class Slow(programs.ProgramTest):
    def run_slowly(self, how, *before):
        command = [programs.MPIRUN, 2, *before, programs.BIN / "slow", self.directory / "run", how]
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600,
                               env={**os.environ, "OMP_NUM_THREADS": "1"})
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.found = {finding["code"]: finding for finding in self.explain("run")}
        return ended.stderr

    def assert_found(self, code, text, rank=None):
        self.assertIn(code, self.found)
        self.assertRegex(self.found[code]["text"], text)
        self.assertEqual(self.found[code]["rank"], rank, self.found[code])

    def assert_slow_rank_in(self, log, phase):
        self.assertRegex(log, rf"rank 1 on \S+ is slow: .* mostly because of {phase}; ")

    def test_reading_with_one_thread(self):
        self.run_slowly("reader")
        self.assert_found("R-DATA-02", r"input-bound: \d+ % of the step waits for data .* 1 reader thread on \d+ core")

    def test_reading_of_one_rank(self):
        log = self.run_slowly("reader_of_1")
        self.assert_slow_rank_in(log, "data")
        self.assert_found("R-DATA-03", r"most of it in data .* 1 reader thread on \d+ core", rank=1)

    def test_a_disk(self):
        self.run_slowly("disk")
        self.assert_found("R-CKPT-04", r"training has waited for saves of checkpoints for \d+ % of its time")

    def test_the_disk_of_one_rank(self):
        log = self.run_slowly("disk_of_1")
        self.assert_slow_rank_in(log, "checkpoint")
        self.assert_found("R-CKPT-05", "most of it in checkpoint", rank=1)

    def test_a_core_that_other_processes_use(self):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            self.skipTest("requires two cores")
        for _ in range(4):
            hog = subprocess.Popen([sys.executable, "-c", HOG])
            self.addCleanup(hog.wait)
            self.addCleanup(hog.kill)
            os.sched_setaffinity(hog.pid, {cores[1]})
        pin = f'set -- taskset -c $(echo {cores[0]} {cores[1]} | cut -d " " -f $((OMPI_COMM_WORLD_RANK + 1))) "$@"'
        log = self.run_slowly("core", "--bind-to", "none", "sh", "-c", f'{pin}; exec "$@"', "sh")
        self.assert_slow_rank_in(log, "compute")
        self.assert_found("R-HOST-05", r"it lost the processor \d+ times per second", rank=1)


if __name__ == "__main__":
    unittest.main()
