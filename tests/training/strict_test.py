"""In strict mode, runs are bitwise identical on any number of ranks and threads, and across restarts."""
import os
import pathlib
import subprocess
import unittest

import programs

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRICT = ("--set", "parallel.strict=true", "--set", "train.gradient_clip=0.5")


class Strict(programs.ProgramTest):
    STEPS = 60

    def finish_strict(self, run, *arguments, ranks=0, threads=None):
        """Finishes a run. Returns its metrics as written to the file."""
        if threads:  # a process uses all processors of its affinity mask
            os.sched_setaffinity(0, sorted(self.processors)[:threads])
        try:
            self.finish(run, *STRICT, *arguments, ranks=ranks)
        finally:
            os.sched_setaffinity(0, self.processors)
        return self.values(run, "loss"), self.values(run, "validation_loss"), self.values(run, "gradient_norm")

    def setUp(self):
        super().setUp()
        self.processors = os.sched_getaffinity(0)

    def assert_same_checkpoint(self, run, other):
        """Compares parameters and optimizer state bit for bit."""
        compared = subprocess.run([str(programs.BIN / "ripieno"), "diff", str(self.directory / run),
                                   str(self.directory / other)], capture_output=True, text=True)
        self.assertEqual(compared.returncode, 0, compared.stdout + compared.stderr)

    def test_one_thread_equals_several_bitwise(self):
        self.assertEqual(self.finish_strict("one", threads=1), self.finish_strict("all"))
        self.assert_same_checkpoint("one", "all")

    @programs.needs_mpi
    def test_any_number_of_ranks_equals_one_bitwise(self):
        alone = self.finish_strict("alone")
        self.assertEqual(len(alone[0]), self.STEPS)
        self.assertEqual(sorted(alone[1]), [40, 60])
        for ranks in (2, 3, 4):
            run = f"on_{ranks}"
            self.assertEqual(self.finish_strict(run, ranks=ranks), alone)
            self.assert_same_checkpoint(run, "alone")

    @programs.needs_mpi
    def test_accuracies_of_images_are_equal(self):
        found = {}
        for ranks in (1, 3):
            run = self.directory / f"digits_{ranks}"
            ended = subprocess.run(
                [programs.MPIRUN, str(ranks), str(programs.BIN / "train_image_classifier"), "--config",
                 str(ROOT / "examples/configs/digits.toml"), "--set", f"data.path={ROOT}/examples/data/digits.h5",
                 "--run-dir", str(run), "--steps", "30", "--quiet", *STRICT], capture_output=True, text=True)
            self.assertEqual((ended.returncode, ended.stderr), (0, ""))
            found[ranks] = [self.values(run.name, name) for name in ("loss", "validation_loss", "accuracy")]
        self.assertEqual(len(found[1][2]), 1)
        self.assertEqual(found[3], found[1])

    @programs.needs_mpi
    def test_restarts_on_other_numbers_of_ranks_change_no_bit(self):
        whole = self.finish_strict("whole", ranks=2)
        self.finish_strict("resumed", "--steps", 13, ranks=3)
        self.finish_strict("resumed", "--steps", 37)
        self.assertEqual(self.finish_strict("resumed", ranks=4)[:1], whole[:1])
        self.assert_same_checkpoint("resumed", "whole")

    def test_slots_that_do_not_divide_the_batch_are_rejected_with_the_nearest_divisors(self):
        ended = self.train("run", *STRICT, "--set", "train.batch_size=12", "--set", "parallel.slots=8")
        self.assertEqual(ended.returncode, 78)
        self.assertIn("parallel.slots=8 must divide train.batch_size=12; nearest divisors: 6 and 12",
                      ended.stderr)

    @programs.needs_mpi
    def test_more_ranks_than_slots_are_rejected(self):
        ended = self.train("run", *STRICT, "--set", "parallel.slots=2", ranks=3)
        self.assertEqual(ended.returncode, 78)
        self.assertIn("parallel.slots is 2, but each of the 3 ranks requires at least one slot", ended.stderr)


if __name__ == "__main__":
    unittest.main()
