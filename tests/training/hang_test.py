"""A run that does not proceed ends within its limit with 76, and its record names rank and place."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import unittest

import programs

RANKS = 3
LIMIT = 3
SLACK = 60  # far more than the 10 s that a quiet machine needs


class HangTest(programs.ProgramTest):
    def run_hang(self, how, limit=LIMIT, ranks=RANKS, directory="run", before=()):
        command = [programs.MPIRUN, ranks, *before, programs.BIN / "hang", self.directory / directory, how, limit]
        start = time.monotonic()
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
        self.seconds = time.monotonic() - start
        self.ours = [line for line in ended.stderr.splitlines() if line.startswith("hang: ")]
        return ended

    def records(self, directory="run"):
        shown = subprocess.run([programs.BIN / "show_flight_record", self.directory / directory],
                               capture_output=True, text=True, timeout=60)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return {record["rank"]: record for record in map(json.loads, shown.stdout.splitlines())}

    def assert_ended_by_the_watchdog(self, ended, limit=LIMIT):
        self.assertEqual(ended.returncode, 76, ended.stderr)
        self.assertLess(self.seconds, limit + SLACK)


@programs.needs_mpi
class Hang(HangTest):
    def assert_hang(self, how, culprit, wait, limit=LIMIT):
        """`culprit`, `wait`: what the line says of rank 1, and of the ranks that wait for it."""
        ended = self.run_hang(how)
        self.assert_ended_by_the_watchdog(ended, limit)
        last = self.ours[-1]
        self.assertRegex(last, culprit)
        self.assertRegex(last, wait)
        return self.records()

    def test_in_data(self):
        records = self.assert_hang("data", r"rank 1 on \S+ \(process \d+\) has been in step > data > "
                                   r"wait for a batch for \d+ s", r"ranks 0, 2 wait for it in all_reduce \d+")
        self.assert_cause("run", "R-DATA-01", 1, "data", r"ranks 0, 2 waited for it in all_reduce \d+")
        self.assertEqual(records[1]["open"], ["data", "wait for a batch"])
        self.assertEqual(records[0]["end"], "watchdog")
        self.assertEqual(records[1]["step"], 6)

    def test_asleep_in_a_step(self):
        records = self.assert_hang("asleep", r"rank 1 on \S+ \(process \d+\) has been in step for \d+ s",
                                   r"ranks 0, 2 wait for it in all_reduce \d+")
        self.assert_cause("run", "R-HANG-01", 1, "step", r"ranks 0, 2 waited for it in all_reduce \d+")
        self.assertEqual(records[1]["activity"], "step")
        stacks = (self.directory / "run/ranks/rank_00001/stacks.txt").read_text()
        self.assertIn("pause", stacks)
        self.assertRegex(stacks, r"thread \d+ hang \(S\)")

    def test_in_a_validation(self):
        self.assert_hang("validation", r"rank 1 .* has been in validation for \d+ s",
                         r"ranks 0, 2 wait for it in all_reduce \d+", limit=3 * LIMIT)
        self.assert_cause("run", "R-HANG-02", 1, "validation", r"ranks 0, 2 waited for it in all_reduce \d+")

    def test_in_a_save(self):
        self.assert_hang("save", r"rank 1 .* has been in save > save of a checkpoint > write of a shard for \d+ s",
                         r"ranks 0, 2 wait for it in a save", limit=3 * LIMIT)
        self.assert_cause("run", "R-CKPT-01", 1, "save", "ranks 0, 2 waited for it in that save")

    def test_stopped(self):
        self.assert_hang("stopped", r"rank 1 on \S+ \(process \d+\) (has been in step|has written no heartbeat)",
                         r"ranks 0, 2 wait for it in all_reduce \d+")
        # mpirun may kill the process before it has recorded that it was stopped.
        for again in range(2):
            if self.explain("run")[0]["code"] == "R-HANG-03":
                break
            shutil.rmtree(self.directory / "run")
            self.run_hang("stopped")
        self.assert_cause("run", "R-HANG-03", 1, None, r"stopped.* waited for it in all_reduce \d+")

    def test_skips_a_collective(self):
        ended = self.run_hang("skips")
        self.assertIn(ended.returncode, (70, 76), ended.stderr)
        self.assertLess(self.seconds, LIMIT + SLACK)
        self.assertRegex(self.ours[-1], "rank 1|collective")
        self.assert_cause("run", "R-PROG-01|R-HANG-01", 1, "communication", "rank 1")

    def test_calls_with_other_shapes(self):
        ended = self.run_hang("shapes")
        self.assertIn(ended.returncode, (70, 76), ended.stderr)
        self.assertLess(self.seconds, LIMIT + SLACK)
        self.assertRegex(self.ours[-1], "rank 1")
        self.assert_cause("run", "R-PROG-01", None, "communication", "rank 1 called all_reduce of 2")

    def test_writes_to_another_directory(self):
        ended = self.run_hang("names", limit=600)
        self.assertEqual(ended.returncode, 78, ended.stderr)
        self.assertRegex(self.ours[-1], r"the ranks disagree: rank 1 on \S+: the run directory is "
                         r"\S*run_of_rank_1, rank 0 on \S+ has \S*run")

    def test_does_not_hang(self):
        ended = self.run_hang("not", limit=30)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(ended.stderr, "")
        self.assertEqual({record["end"] for record in self.records().values()}, {"returned"})

    def test_every_heartbeat_is_needed_only_by_the_limit(self):
        """A limit of 0 disables the watchdog, not the record."""
        command = [programs.MPIRUN, "2", programs.BIN / "hang", self.directory / "run", "asleep", "0"]
        running = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(programs.kill, running)
        time.sleep(2 * LIMIT)
        self.assertIsNone(running.poll())
        self.assertEqual(self.records()[0]["open"][-1], "all_reduce")


@programs.needs_mpi
class Ends(HangTest):
    """How a process ended is in its record, unless it was killed."""

    def test_by_a_kill(self):
        self.assertEqual(self.run_hang("killed").returncode, 137)
        self.assert_cause("run", "R-HOST-03", 1, "step", "was killed by signal 9 at step 5")
        records = self.records()
        self.assertEqual(records[1]["end"], "running")
        self.assertIn("communication", records[0]["open"])

    def test_by_a_crash(self):
        self.assertEqual(self.run_hang("crashes").returncode, 139)
        record = self.records()[1]
        self.assertEqual((record["end"], record["signal"]), ("signal", 11))
        self.assert_cause("run", "R-PROG-04", 1, "step", r"crashed with signal 11 \(SIGSEGV\)")
        self.assertIn("thread", (self.directory / "run/ranks/rank_00001/stacks.txt").read_text())

    def test_by_an_exception(self):
        self.assertEqual(self.run_hang("fails").returncode, 65)
        record = self.records()[1]
        self.assertEqual((record["end"], record["status"]), ("exception", 65))
        self.assertEqual(record["message"], "the data of rank 1 is invalid")
        self.assert_cause("run", "R-DATA-04", 1, "step", "with status 65 at step 5: the data of rank 1 is invalid")

    def test_by_an_error_of_the_file_system(self):
        self.assertEqual(self.run_hang("storage").returncode, 74)
        record = self.records()[1]
        self.assertEqual((record["end"], record["status"]), ("exception", 74))
        self.assert_cause("run", "R-CKPT-02", 1, "step", "ended with status 74 at step 5: .*/no/such/file")

    def test_by_a_lack_of_address_space(self):
        self.assertEqual(self.run_hang("allocates", limit=60).returncode, 71)
        self.assert_cause("run", "R-MEM-03", 1, "step",
                          "ended with status 71 at step 5: .*cannot allocate.*"
                          r"out of memory; the process used [0-9.]+ GiB")

    def test_by_the_memory_limit_of_a_control_group(self):
        """All ranks are in it, as in a container, so that the others see its counter of kills rise."""
        group = self.memory_group(512 << 20)
        join = f'echo $$ >{group}/cgroup.procs; exec "$@"'
        self.assertEqual(self.run_hang("eats", limit=60, before=["sh", "-c", join, "sh"]).returncode, 137)
        self.assert_cause("run", "R-MEM-01", 1, "step", r"was killed by signal 9 at step 5: out of memory "
                          r"\(its container.*[0-9.]+ of 0.5 GiB at the last heartbeat")

    def memory_group(self, limit):
        """A control group below the one of this process, with this limit in bytes."""
        lines = [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
        paths = {controllers: path for _, controllers, path in lines}
        version_1 = "memory" in paths
        root = pathlib.Path("/sys/fs/cgroup/memory" if version_1 else "/sys/fs/cgroup")
        own = root / paths.get("memory", paths.get("", "/")).lstrip("/")
        group = (own if own.exists() else root) / f"ripieno_test_{os.getpid()}"
        try:
            group.mkdir()
            self.addCleanup(group.rmdir)
            (group / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(str(limit))
        except OSError as error:
            self.skipTest(f"no control group with a limit can be made: {error}")
        return group

    def test_of_everything_at_once_leaves_readable_records(self):
        command = [programs.MPIRUN, str(RANKS), programs.BIN / "hang", self.directory / "run", "asleep", "0"]
        running = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, start_new_session=True)
        ranks = self.directory / "run/ranks"
        deadline = time.monotonic() + SLACK
        while time.monotonic() < deadline:
            if len(list(ranks.glob("*/flight_record.bin"))) == RANKS and self.records()[0]["step"] == 5:
                break
            time.sleep(0.05)
        for record in self.records().values():
            os.kill(record["process"], 9)
        programs.kill(running)
        records = self.records()
        self.assertEqual(sorted(records), list(range(RANKS)))
        self.assertEqual(records[1]["step"], 5)


class WithoutStorage(HangTest):
    """Recording never ends a run: one line, and the run goes on."""

    def finish_alone(self):
        command = [programs.BIN / "hang", self.directory / "run", "not", "30"]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)

    def test_a_file_in_place_of_the_directory(self):
        (self.directory / "run").mkdir()
        (self.directory / "run/ranks").write_text("")
        ended = self.finish_alone()
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertIn("the run continues without its flight record", ended.stderr)

    @unittest.skipIf(os.geteuid() != 0, "requires root to mount a file system")
    def test_a_read_only_directory(self):
        self.mount("ro")
        ended = self.finish_alone()
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertIn("Read-only file system", ended.stderr)

    @unittest.skipIf(os.geteuid() != 0, "requires root to mount a file system")
    def test_a_full_disk(self):
        self.mount("size=64k")
        ended = self.finish_alone()
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertIn("No space left on device", ended.stderr)

    def mount(self, options):
        ranks = self.directory / "run/ranks"
        ranks.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", ranks]).returncode != 0:
            self.skipTest("cannot mount a file system")
        self.addCleanup(subprocess.run, ["umount", "-l", ranks])


if __name__ == "__main__":
    unittest.main()
