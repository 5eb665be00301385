"""Invalid input ends a program with the right exit status and one line on stderr that names the cause."""
import os
import resource
import shutil
import subprocess
import unittest

import programs


class BadInput(programs.ProgramTest):
    def assert_ends(self, ended, status, *words):
        self.assertEqual(ended.returncode, status, ended.stderr)
        ours = [line for line in ended.stderr.splitlines() if line.startswith("train_gpt: ")]
        self.assertEqual(len(ours), 1, ended.stderr)
        for word in words:
            self.assertIn(word, ours[0])
        return ended.stderr.splitlines()

    def assert_one_line(self, ended, status, *words):
        self.assertEqual(len(self.assert_ends(ended, status, *words)), 1, ended.stderr)

    def configure(self, old, new):
        before = self.configuration.read_text()
        self.assertIn(old, before)
        self.configuration.write_text(before.replace(old, new))

    def test_an_unknown_flag(self):
        self.assert_one_line(self.train("run", "--stesp", 3), 64, "--stesp", "--help")

    def test_an_unknown_key_on_the_command_line(self):
        self.assert_one_line(self.train("run", "--set", "train.batchsize=3"), 78,
                             "train.batchsize", "did you mean train.batch_size?")

    def test_an_unknown_key_in_the_file(self):
        self.configure("batch_size", "batchsize")
        self.assert_one_line(self.train("run"), 78, "tiny.toml:17", "did you mean train.batch_size?")

    def test_a_value_of_the_wrong_type(self):
        self.assert_one_line(self.train("run", "--set", "train.batch_size=many"), 78,
                             "train.batch_size must be an integer")
        self.configure("batch_size = 8", "batch_size = 'many'")
        self.assert_one_line(self.train("run"), 78, "tiny.toml:17", "must be an integer", "'many'")

    def test_sizes_that_are_too_large_together(self):
        sizes = [word for name in ("layers", "channels") for word in ("--set", f"model.{name}=1048576")]
        self.assert_one_line(self.train("run", *sizes), 78, "layers=1048576, channels=1048576", "parameters")

    def test_a_missing_configuration(self):
        self.configuration.unlink()
        self.assert_one_line(self.train("run"), 78, "tiny.toml", "No such file")

    @programs.needs_mpi
    def test_ranks_with_different_configurations(self):
        rank = lambda size: self.command("run", "--set", f"train.batch_size={size}")
        command = [programs.MPIRUN, "1", *rank(8), ":", "-n", "1", *rank(16)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.assert_ends(ended, 78, "rank 1 on ", "train.batch_size is 16, rank 0 on ", " has 8")

    @programs.needs_mpi
    def test_the_mpirun_of_another_mpi(self):
        of_mpich = {**os.environ, "PMI_RANK": "0", "PMI_SIZE": "2"}
        ended = subprocess.run(self.command("run"), capture_output=True, text=True, timeout=600, env=of_mpich)
        self.assert_ends(ended, 78, "mpirun started 2 ranks, but MPI reports a world size of 1", "Open MPI")

    def in_a_job_of_slurm(self, *arguments, **variables):
        job = {**os.environ, "SLURM_JOB_ID": "77", "SLURM_PROCID": "1", "SLURM_NTASKS": "4", **variables}
        return subprocess.run(self.command("run", *arguments), capture_output=True, text=True, timeout=600, env=job)

    def test_a_step_of_several_tasks_without_mpi(self):
        ended = self.in_a_job_of_slurm(SLURM_STEP_NUM_TASKS="4")
        self.assert_ends(ended, 78, "srun started 4 tasks", "srun --mpi=pmix")

    @programs.needs_mpi
    def test_a_step_of_several_tasks_whose_pmix_does_not_respond(self):
        ended = self.in_a_job_of_slurm(SLURM_STEP_NUM_TASKS="4", PMIX_RANK="1", PMIX_NAMESPACE="slurm.pmix.77.0",
                                       PMIX_SERVER_URI2="pmix-server.1;tcp4://127.0.0.1:1", RIPIENO_START_TIMEOUT="60")
        self.assert_one_line(ended, 78, "srun started 4 tasks", "reports a world size of 1", "srun --mpi=pmix")

    @programs.needs_mpi
    def test_too_little_shared_memory(self):
        """MPI reports it at startup, before a rank can get a bus error."""
        tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], capture_output=True,
                               text=True)
        if tried.returncode != 0:
            self.skipTest(f"cannot mount another /dev/shm: {tried.stderr.strip()}")
        for size in ("64k", "1m", "3m"):
            mount = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
            mpirun = ["mpirun", "-n", "2", "--allow-run-as-root", "--oversubscribe", "--quiet", "--mca",
                      "mpi_yield_when_idle", "1"]
            command = [*mpirun, *self.command("run", "--steps", 1, "--device", "cpu")]
            ended = subprocess.run(["unshare", "-m", "sh", "-c", mount, "sh", *command], capture_output=True, text=True,
                                   timeout=600, stdin=subprocess.DEVNULL)
            self.assert_one_line(ended, 78, "each rank of this host requires 1.0 MiB", "/dev/shm has ", "docker run --shm-size=1g")

    def test_a_batch_script_of_a_job_with_several_tasks_runs_alone(self):
        ended = self.in_a_job_of_slurm("--steps", 1)
        self.assertEqual(ended.returncode, 0, ended.stderr)

    @programs.needs_mpi
    def test_a_text_that_only_rank_2_cannot_read(self):
        rank = lambda name: self.command("run", "--set", f"data.path={self.directory / name}")
        command = [programs.MPIRUN, "2", *rank("text.txt"), ":", "-n", "1", *rank("missing.txt")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.assert_ends(ended, 78, "rank 2 on ", "missing.txt")

    @programs.needs_mpi
    def test_a_second_session_after_the_first_has_ended(self):
        program = str(programs.BIN / "session_program")
        ended = subprocess.run([programs.MPIRUN, "2", program, "twice"], capture_output=True, text=True, timeout=600)
        self.assertEqual(ended.returncode, 70, ended.stderr)
        self.assertIn("session_program: session: MPI was finalized", ended.stderr)

    @programs.needs_mpi
    def test_a_session_on_half_of_the_ranks(self):
        program = str(programs.BIN / "session_program")
        ended = subprocess.run([programs.MPIRUN, "2", program, "half"], capture_output=True, text=True, timeout=600,
                               env={**os.environ, "RIPIENO_START_TIMEOUT": "2"})
        self.assertEqual(ended.returncode, 76, ended.stderr)
        self.assertIn("every rank that mpirun started must construct a Session", ended.stderr)

    def test_a_path_that_no_checkpoint_can_hold(self):
        folder = self.directory / os.fsdecode(b"caf\xe9")
        folder.mkdir()
        path = shutil.copy(self.directory / "text.txt", folder)
        self.assert_one_line(self.train("run", "--set", f"data.path={path}"), 78, "data.path.0 in the training state is not valid UTF-8")
        self.assertEqual(self.lines("run"), 0)
        self.assertEqual(list((self.directory / "run/checkpoints").iterdir()), [])

    def test_a_limit_of_processes(self):
        """With few threads allowed, the run works without them or reports the limit."""
        limits = {"user": 64917, "group": 64917, "extra_groups": []} if os.geteuid() == 0 else {}  # root has no limit
        self.directory.chmod(0o777)
        for processes in range(1, 6):
            run = f"run_{processes}"
            try:
                ended = subprocess.run(self.command(run, "--steps", 3), capture_output=True, text=True, timeout=600,
                                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (processes,) * 2),
                                       **limits)
            except PermissionError as error:
                self.skipTest(f"not as another user: {error}")
            if ended.returncode == 0:
                self.assertEqual(len(self.checkpoints(run)), 1)
            else:
                self.assert_one_line(ended, 78, "cannot start a thread to ", "ulimit -u")

    def test_a_run_directory_instead_of_a_checkpoint(self):
        self.finish("run", "--steps", 20)
        newest = str(self.checkpoints("run")[-1])
        for path in ("run", "run/checkpoints"):
            ended = self.train("other", "--resume", self.directory / path)
            self.assert_one_line(ended, 78, "not a checkpoint", newest)

    def test_a_missing_text(self):
        (self.directory / "text.txt").unlink()
        self.assert_one_line(self.train("run"), 78, "text.txt")

    def test_an_empty_data_path(self):
        self.assert_one_line(self.train("run", "--set", "data.path="), 78, "data.path")

    def test_a_text_smaller_than_one_context(self):
        (self.directory / "text.txt").write_text("abcd")
        self.assert_one_line(self.train("run"), 78, "text.txt", "context")

    def test_a_text_that_is_not_utf_8(self):
        (self.directory / "text.txt").write_bytes(b"abc\xff\xfe" * 100)
        self.assert_one_line(self.train("run"), 65, "text.txt")

    def test_a_text_file_that_contains_token_ids_or_an_archive(self):
        for data, word in ((bytes([3, 0, 7, 0]) * 1000, "data_formats"), (b"\x1f\x8b\x08" + b"a" * 999, "gzip"),
                           ("a text".encode("utf-16-le") * 100, "UTF-16")):
            (self.directory / "text.txt").write_bytes(data)
            self.assert_one_line(self.train("run"), 65, "text.txt", word)

    def test_a_validation_part_of_one_token(self):
        (self.directory / "text.txt").write_text("abcd" * 10)
        self.assert_one_line(self.train("run", "--set", "data.validation_fraction=0.02"), 78, "text.txt",
                             "validation_fraction")

    def test_numbers_that_are_not_whole_or_too_large(self):
        for words in (("--seed", 2**64 - 1), ("--seed", -1), ("--steps", 0), ("--steps", 10**19), ("--steps", "1e3")):
            ended = self.train("run", *words)
            self.assert_one_line(ended, 64, words[0], str(words[1]))
            self.assertLess(len(ended.stderr), 200)

    def test_a_checkpoint_of_another_model(self):
        self.finish("run", "--steps", 3)
        self.assert_one_line(self.train("run", "--set", "model.channels=16"), 78, "tokens.weight")
        self.assertEqual(len(self.checkpoints("run")), 1)

    def test_a_checkpoint_of_a_deeper_model(self):
        self.finish("run", "--steps", 3)
        self.assert_one_line(self.train("run", "--set", "model.layers=2"), 78, "blocks.1.")

    def test_checkpoints_that_are_all_damaged(self):
        self.finish("run", "--steps", 3)
        manifest = self.checkpoints("run")[0] / "manifest.json"
        manifest.write_bytes(manifest.read_bytes()[:-1])
        self.assert_one_line(self.train("run"), 65, "manifest.json", "--resume never")

    def test_a_damaged_checkpoint_is_reported_and_an_older_one_used(self):
        whole = self.finish("run", "--steps", 30)
        shard = next(self.checkpoints("run")[-1].glob("shard_*"))
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
        ended = self.train("run", "--steps", 30)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertIn(shard.name, ended.stderr)
        self.assertEqual(self.losses("run"), whole)
        self.assertTrue(list((self.directory / "run/checkpoints").glob("step_00000030*.damaged*")))

    def test_a_missing_checkpoint(self):
        self.assert_one_line(self.train("run", "--resume", "nowhere"), 78, "nowhere")

    def test_a_run_directory_that_cannot_be_used(self):
        (self.directory / "run").write_text("a file is in the way")
        self.assert_one_line(self.train("run"), 78, str(self.directory / "run"))

    def test_a_missing_gpu(self):
        ended = self.train("run", "--device", "cuda", "--steps", 1)
        self.assert_one_line(ended, 78, "--device cuda")

    @programs.needs_mpi
    def test_a_message_under_mpirun_is_printed_once(self):
        self.assert_ends(self.train("run", "--set", "train.batchsize=1", ranks=3), 78, "train.batchsize")
        self.assert_ends(self.train("run", "--stesp", ranks=3), 64, "--stesp")


class FullDisk(programs.ProgramTest):
    """A checkpoint of the small model has about 100 kB."""

    def setUp(self):
        super().setUp()
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", self.disk],
                                 capture_output=True).returncode == 0
        if not mounted:
            self.skipTest("only root can mount a disk to fill")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk])

    def fill(self):
        with open(self.disk / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def test_ends_with_74_and_keeps_the_last_good_checkpoint(self):
        self.finish("disk/run", "--steps", 20)
        before = self.checkpoints("disk/run")
        self.fill()
        ended = self.train("disk/run", "--steps", 21, "--set", "checkpoint.keep=9")
        self.assertEqual(ended.returncode, 74, ended.stderr)
        self.assertIn("No space left", ended.stderr)
        self.assertEqual(self.checkpoints("disk/run"), before)

    def test_a_disk_too_small_for_the_checkpoints_is_detected_before_the_first_step(self):
        ended = self.train("disk/run", "--steps", 400, "--set", "checkpoint.every=1", "--set", "checkpoint.keep=99")
        self.assertEqual(ended.returncode, 74, ended.stderr)
        self.assertRegex(ended.stderr, r"\A[^\n]*No space left on device; free some space: [0-9.]+ MiB needed, "
                                       r"[0-9.]+ MiB free, for 100 checkpoints at once; [^\n]*checkpoint.keep[^\n]*\n\Z")
        self.assertFalse((self.disk / "run/metrics.jsonl").exists())
        self.assertEqual(self.checkpoints("disk/run"), [])
        self.finish("disk/run", "--steps", 20)

    def test_a_start_that_fails_for_lack_of_space_changes_nothing(self):
        losses = self.finish("disk/run", "--steps", 20)
        before = self.checkpoints("disk/run")
        ended = self.train("disk/run", "--resume", "never", "--steps", 400, "--set", "checkpoint.every=1",
                           "--set", "checkpoint.keep=99")
        self.assertEqual(ended.returncode, 74, ended.stderr)
        self.assertEqual(self.checkpoints("disk/run"), before)
        self.assertEqual(self.losses("disk/run"), losses)

    def test_training_continues_and_the_save_is_retried(self):
        whole = self.finish("whole", "--steps", 400)
        training = self.start("disk/run", "--steps", 400, "--set", "checkpoint.every=100")
        self.addCleanup(training.stderr.close)
        metrics = self.disk / "run/metrics.jsonl"
        while not metrics.exists() or metrics.stat().st_size == 0:  # until the first step
            self.assertIsNone(training.poll())
        self.fill()
        line = training.stderr.readline()
        os.remove(self.disk / "filler")
        self.assertIn("training continues", line)
        training.communicate()
        self.assertEqual(training.returncode, 0)
        self.assertEqual(self.losses("disk/run"), whole)
        self.assertEqual(self.checkpoints("disk/run")[-1].name, "step_00000400")


if __name__ == "__main__":
    unittest.main()
