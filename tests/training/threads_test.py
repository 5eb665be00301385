"""The number of CPU threads of a rank, as recorded in run.json, and what determined it."""
import json
import os
import subprocess
import unittest

import programs

WITH_QUOTA = 'mount -t tmpfs tmpfs /sys/fs/cgroup && echo "$0" >/sys/fs/cgroup/cpu.max && exec "$@"'


class Threads(programs.ProgramTest):
    def setUp(self):
        super().setUp()
        self.processors = sorted(os.sched_getaffinity(0))
        self.runs = 0

    def threads(self, *arguments, on=None, quota=None, omp=None, ranks=0):
        """Trains one step. Returns (threads of rank 0, their source, threads of all ranks)."""
        self.runs += 1
        run = f"run{self.runs}"
        command = self.command(run, "--device", "cpu", "--steps", 1, *arguments)
        if ranks:
            command = [programs.MPIRUN, str(ranks), "--bind-to", "none", *command]
        if quota:
            command = ["unshare", "-m", "sh", "-c", WITH_QUOTA, f"{round(quota * 100000)} 100000", *command]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        if omp:
            environment["OMP_NUM_THREADS"] = omp
        mask = self.processors[:on]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment,
                               preexec_fn=lambda: os.sched_setaffinity(0, mask))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        start = json.loads((self.directory / run / "run.json").read_text())["starts"][0]
        return start["threads"]["count"], start["threads"]["source"], [int(d.split()[1]) for d in start["devices"]]

    def needs_two_processors(self):
        if len(self.processors) < 2:
            self.skipTest("there is only one processor")

    def needs_no_quota(self):
        """Skips the test under a CPU quota, as in some containers."""
        if self.threads()[1] != "affinity":
            self.skipTest("the control group of this process has a quota")

    def needs_quotas(self):
        tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup"],
                               capture_output=True, text=True)
        if tried.returncode != 0:
            self.skipTest(f"cannot mount fake control groups: {tried.stderr.strip()}")

    def test_equal_the_processors_of_the_affinity_mask(self):
        self.needs_no_quota()
        for processors in {1, len(self.processors)}:
            self.assertEqual(self.threads(on=processors), (processors, "affinity", [processors]))

    @programs.needs_mpi
    def test_are_divided_among_ranks_with_the_same_affinity_mask(self):
        self.needs_two_processors()
        self.needs_no_quota()
        self.assertEqual(self.threads(on=2, ranks=2), (1, "affinity", [1, 1]))
        self.assertEqual(self.threads(on=1, ranks=2), (1, "affinity", [1, 1]))

    def test_are_limited_by_the_quota_of_the_control_group(self):
        self.needs_two_processors()
        self.needs_quotas()
        quota = len(self.processors) - 0.5
        self.assertEqual(self.threads(quota=quota)[:2], (int(quota), "the control group's quota"))
        self.assertEqual(self.threads(quota=quota + 1)[:2], (len(self.processors), "affinity"))

    @programs.needs_mpi
    def test_are_divided_among_ranks_with_the_same_quota(self):
        self.needs_two_processors()
        self.needs_quotas()
        quota = len(self.processors) - 0.5  # more than half of the processors
        share = max(1, int(quota / 2))
        self.assertEqual(self.threads(quota=quota, ranks=2), (share, "the control group's quota", [share] * 2))

    def test_are_those_of_omp_num_threads_by_default(self):
        self.assertEqual(self.threads(omp="1")[:2], (1, "OMP_NUM_THREADS"))
        self.assertEqual(self.threads("--threads", 0, omp="3,2")[:2], (3, "OMP_NUM_THREADS"))

    def test_of_the_configuration_override_omp_num_threads(self):
        self.configuration.write_text(self.configuration.read_text().replace("[train]", "[train]\nthreads = 2"))
        self.assertEqual(self.threads(omp="1")[:2], (2, "train.threads"))

    def test_of_the_command_line_override_the_configuration(self):
        self.configuration.write_text(self.configuration.read_text().replace("[train]", "[train]\nthreads = 2"))
        self.assertEqual(self.threads("--threads", 3, omp="1")[:2], (3, "train.threads"))

    def test_of_two_simultaneous_runs_change_no_result(self):
        whole = self.finish("whole", "--steps", 20)
        both = [self.start(run, "--steps", 20) for run in ("first", "second")]
        for run, training in zip(("first", "second"), both):
            errors = training.communicate(timeout=1000)[1]
            self.assertEqual((training.returncode, errors), (0, ""))
            self.assertEqual(self.losses(run), whole)


if __name__ == "__main__":
    unittest.main()
