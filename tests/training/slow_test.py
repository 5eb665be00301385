"""Whatever makes 60 steps slow is named by `ripieno explain`, and one slow rank also on stderr."""
import os
import subprocess
import unittest

import programs

# The processes of others then use the cores of all ranks.
IS_BUSY = os.getloadavg()[0] > 2 * len(os.sched_getaffinity(0))


@unittest.skipUnless((programs.BIN / "ripieno").exists(), "built without the tools")
@programs.needs_mpi
class Slow(programs.ProgramTest):
    def run_slowly(self, how):
        command = [programs.MPIRUN, 2, "--bind-to", "none", programs.BIN / "slow", self.directory / "run", how]
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
        """The rank that does not wait for its own batch waits for the other one's."""
        self.run_slowly("reader")
        named = [finding["text"] for code, finding in self.found.items() if code in ("R-DATA-02", "R-DATA-03")]
        self.assertTrue(named, self.found)
        self.assertRegex(named[0], r"data.* 1 reader thread on \d+ core")

    def test_reading_of_one_rank(self):
        log = self.run_slowly("reader_of_1")
        self.assert_slow_rank_in(log, "data")
        self.assert_found("R-DATA-03", r"most of it in data .* 1 reader thread on \d+ core", rank=1)

    @unittest.skipUnless(len(os.sched_getaffinity(0)) > 1, "requires two cores")
    @unittest.skipIf(IS_BUSY, "the machine is busy")
    @unittest.skipUnless(os.path.exists("/proc/thread-self/schedstat"), "the kernel has no scheduling statistics")
    def test_a_shared_core(self):
        log = self.run_slowly("core_of_1")
        self.assertRegex(log, r"rank 1 on \S+ is slow: .*; it waited \d+ % of its time for a processor")
        self.assert_found("R-HOST-05", r"waited \d+ % of its time for a processor, which other processes used", rank=1)

    def test_a_disk_of_one_rank(self):
        log = self.run_slowly("disk_of_1")
        self.assertRegex(log, r"rank 1 on \S+ is slow to save: ")
        self.assert_found("R-CKPT-05", r"rank 1 .* to write its part of a checkpoint, .* waited for saves", rank=1)
        self.assertNotIn("R-CKPT-04", self.found)

    def test_a_disk(self):
        log = self.run_slowly("disk")
        self.assertNotIn("is slow to save", log)
        self.assert_found("R-CKPT-04", r"training has waited for saves of checkpoints for \d+ % of its time")


if __name__ == "__main__":
    unittest.main()
