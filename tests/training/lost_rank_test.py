"""A lost rank ends the run within the timeout, with one line about the wait; the same command continues."""
import os
import pathlib
import signal
import subprocess
import time
import unittest

import programs


@programs.needs_mpi
class LostRank(programs.ProgramTest):
    SECONDS = 150  # far less than the default timeout; the one set here is 2

    def launcher(self):
        return [programs.MPIRUN, "2"]

    def lose(self, how):
        command = [*self.launcher(), str(programs.BIN / "lose_rank"), str(self.directory / "run"), how]
        start = time.monotonic()
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.assertLess(time.monotonic() - start, self.SECONDS)
        self.ours = [line for line in ended.stderr.splitlines() if line.startswith("lose_rank: ")]
        self.assertLessEqual(len(self.ours), 1, ended.stderr)
        return ended

    def assert_timed_out(self, ended):
        self.assertEqual(ended.returncode, 76, ended.stderr)
        self.assertIn("on rank 0 of 2: timed out after 2 s waiting for rank 1", self.ours[0])
        self.assertIn("float", self.ours[0])  # what of

    def assert_it_continues(self):
        self.assertEqual(self.checkpoints("run")[-1].name, "step_00000005")
        self.assertEqual(self.lose("not").returncode, 0)
        self.assertEqual(max(self.losses("run")), 12)

    def test_killed(self):
        self.assertEqual(self.lose("killed").returncode, 137)
        self.assert_it_continues()

    def test_stopped(self):
        self.assert_timed_out(self.lose("stopped"))
        self.assert_it_continues()

    def test_after_the_timeout_of_the_configuration(self):
        training = self.start("run", "--set", "parallel.timeout_seconds=1", "--steps", 10**6, ranks=2)
        self.addCleanup(programs.kill, training)
        self.wait_for_steps("run", training, 20)
        os.kill(self.process_of_rank(1), signal.SIGSTOP)
        errors = training.communicate(timeout=self.SECONDS)[1]
        self.assertEqual(training.returncode, 76, errors)
        self.assertIn("on rank 0 of 2: timed out after 1 s waiting for rank 1", errors)

    def process_of_rank(self, rank):
        """The process id of a rank of train_gpt with the run directory of this test."""
        wanted = (f"OMPI_COMM_WORLD_RANK={rank}", str(self.directory / "run"))
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                text_of_process = "".join(pathlib.Path("/proc", process, part).read_text() for part in ("environ", "cmdline"))
            except OSError:
                continue  # it has ended
            if all(text in text_of_process for text in wanted):
                return int(process)
        self.fail(f"rank {rank} is not running")

    def test_hanging(self):
        self.assert_timed_out(self.lose("hangs"))
        self.assert_it_continues()

    def test_leaving_silently(self):
        self.assertNotEqual(self.lose("leaves").returncode, 0)
        self.assert_it_continues()

    def test_failing_with_its_own_message(self):
        ended = self.lose("fails")
        self.assertEqual(ended.returncode, 65, ended.stderr)
        self.assertEqual(self.ours, ["lose_rank: rank 1 read invalid data"])
        self.assert_it_continues()


if __name__ == "__main__":
    unittest.main()
