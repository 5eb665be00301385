"""Runs the programs of the build with a small configuration: shared by the tests of whole runs."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import unittest.mock

BIN = pathlib.Path(os.environ["RIPIENO_BIN"])
MPIRUN = os.environ.get("RIPIENO_MPIRUN", "")  # tests/distributed/under_mpi.sh; empty in a build without MPI

# The environment in which programs without the option --device see no GPU, real or emulated.
NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "RIPIENO_EMULATED_GPUS": "0"}

CONFIGURATION = """
[model]
layers = 1
heads = 2
channels = 8
context = 16
dropout = 0.1
[data]
path = "{text}"
[optimizer]
learning_rate = 1e-2
[schedule]
kind = "cosine"
steps = {steps}
warmup_steps = 10
[train]
batch_size = 8
evaluate_every = 40
[checkpoint]
every = 10
"""


def text(characters=2000):
    return "".join("abcd"[(i * i // 3 + i // 7) % 4] for i in range(characters))


class ProgramTest(unittest.TestCase):
    """A test with a temporary directory that contains a text and a configuration.

    Its runs use the CPU, also on a machine with a GPU, which the tests of all processes would share.
    """

    STEPS = 120
    ON_GPU = False  # True in tests that are about the GPU

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ripieno_"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.set_environment(RIPIENO_CACHE_DIR=str(self.directory / "cache"), **({} if self.ON_GPU else NO_GPU))
        (self.directory / "text.txt").write_text(text())
        self.configuration = self.directory / "tiny.toml"
        self.configuration.write_text(
            CONFIGURATION.format(text=self.directory / "text.txt", steps=self.STEPS))

    def set_environment(self, **variables):
        """Sets environment variables until the test ends."""
        patch = unittest.mock.patch.dict(os.environ, variables)
        patch.start()
        self.addCleanup(patch.stop)

    def command(self, run, *arguments, ranks=0, configuration=None):
        launcher = [MPIRUN, str(ranks)] if ranks else []
        device = [] if self.ON_GPU or "--device" in arguments else ["--device", "cpu"]
        return launcher + [str(BIN / "train_gpt"), "--config", str(configuration or self.configuration),
                           "--run-dir", str(self.directory / run), "--quiet", *device, *map(str, arguments)]

    def train(self, run, *arguments, **options):
        return subprocess.run(self.command(run, *arguments, **options), capture_output=True, text=True,
                              timeout=1100)

    def start(self, run, *arguments, **options):
        """Starts the run in a new process group."""
        return subprocess.Popen(self.command(run, *arguments, **options), stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, start_new_session=True)

    def lines(self, run):
        metrics = self.directory / run / "metrics.jsonl"
        return metrics.read_text().count("\n") if metrics.exists() else 0

    def wait_for_steps(self, run, process, steps):
        """Waits until the process has logged that many steps or has ended."""
        before = self.lines(run)
        while process.poll() is None and self.lines(run) < before + steps:
            time.sleep(0.001)

    def finish(self, run, *arguments, **options):
        ended = self.train(run, *arguments, **options)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return self.losses(run)

    def values(self, run, name):
        lines = (self.directory / run / "metrics.jsonl").read_text().splitlines()
        return {line["step"]: line[name] for line in map(json.loads, lines) if name in line}

    def losses(self, run):
        return self.values(run, "loss")

    def explain(self, run):
        """What `ripieno explain` finds, the first cause first; None in a build without the tools."""
        if not (BIN / "ripieno").exists():
            return None
        ended = subprocess.run([BIN / "ripieno", "explain", self.directory / run, "--json"],
                               capture_output=True, text=True, timeout=600)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return json.loads(ended.stdout)["findings"]

    def assert_cause(self, run, code, rank=None, phase=None, text=""):
        """That the first finding is a cause with this code, rank and phase. `code`, `text`: patterns."""
        findings = self.explain(run)
        if findings is None:
            return
        self.assertTrue(findings, "no findings")
        first = findings[0]
        self.assertRegex(first["code"], code, findings)
        self.assertEqual(first["role"], "root", findings)
        if rank is not None:
            self.assertEqual(first["rank"], rank, first)
            self.assertTrue(first["host"], first)
        if phase is not None:
            self.assertEqual(first["phase"], phase, first)
        self.assertRegex(first["text"], text)

    def checkpoints(self, run):
        return sorted((self.directory / run / "checkpoints").glob("step_????????"))


def require_gpu(test):
    """Skips the test if there is no GPU, or fails it if RIPIENO_REQUIRE_GPU is set."""
    ended = test.train("requires_a_gpu", "--device", "cuda", "--steps", 1)
    if ended.returncode != 78:
        return
    if os.environ.get("RIPIENO_REQUIRE_GPU"):
        test.fail(f"RIPIENO_REQUIRE_GPU is set: {ended.stderr}")
    test.skipTest(ended.stderr.strip())


def needs_mpi(test):
    return unittest.skipUnless(MPIRUN, "built without MPI")(test)


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it finished first
    process.wait()
    for left in pathlib.Path("/dev/shm").glob(f"ripieno.{process.pid}.*"):  # named by under_mpi.sh
        shutil.rmtree(left, ignore_errors=True)
