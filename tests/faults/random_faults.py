#!/usr/bin/env python3
"""Random faults under `ripieno launch` must not change the result of a run.

Runs in strict mode on 2 to 4 ranks are disturbed at random moments, until --faults faults have been
injected. Each run must finish with bitwise the losses and the final checkpoint of an undisturbed
run. Launches that end because a save was requested, or because the disk was full, are started again
with the same command. Prints one JSON object: how often each fault was injected, the mean time
until the next new step after it, and the effective training time ratio, which is the time that the
undisturbed run needed divided by that of the disturbed ones.

  random_faults.py --faults 5 [--steps 600] [--seed S]

Requires RIPIENO_BIN and RIPIENO_MPIRUN in the environment, as tests/training does. With root, the
run directory is on a small disk, which one of the faults fills.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import signal
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "training"))
import programs

CONFIGURATION = """
[model]
layers = 2
heads = 4
channels = 32
context = 32
dropout = 0.1
[data]
path = "{text}"
tokenizer = "characters"
sampling = "random"
[optimizer]
learning_rate = 1e-3
weight_decay = 0.1
[schedule]
kind = "cosine"
steps = {steps}
warmup_steps = 10
[train]
batch_size = 12
gradient_clip = 1.0
evaluate_every = 100
[checkpoint]
every = 25
[parallel]
strict = true
timeout_seconds = 60
[watchdog]
limit_seconds = 5
"""
MOST_WAIT = 300  # seconds for anything to happen; far more than a busy machine requires
DISK_MIB = 64


class Wrong(Exception):
    """The run did something that it must not do."""


class Run:
    """One run directory on a small disk of its own, and the launch that works on it."""

    def __init__(self, directory, steps):
        self.directory = directory / "run"
        self.steps = steps
        text = directory / "text.txt"
        text.write_text(programs.text(20000))
        self.configuration = directory / "gpt.toml"
        self.configuration.write_text(CONFIGURATION.format(text=text, steps=steps))
        self.errors = open(directory / "errors.txt", "w+")
        self.launch = None

    def start(self, ranks):
        command = [programs.BIN / "ripieno", "launch", "-n", ranks, "--max-restarts", 10**6, "--",
                   programs.BIN / "train_gpt", "--config", self.configuration, "--run-dir",
                   self.directory, "--quiet", "--device", "cpu"]
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("SLURM_")}
        self.launch = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=self.errors,
            start_new_session=True, env={**environment, **programs.NO_GPU, "OMP_NUM_THREADS": "1"})

    def is_over(self):
        return self.launch.poll() is not None

    def end(self):
        """Kills everything that is left."""
        if self.launch and not self.is_over():
            for process in self.ranks():
                send(process, signal.SIGKILL)
            programs.kill(self.launch)

    def error_text(self):
        self.errors.flush()
        return pathlib.Path(self.errors.name).read_text(errors="replace")[-4000:]

    def newest_step(self):
        """Of the log, or 0."""
        try:
            with open(self.directory / "metrics.jsonl", "rb") as metrics:
                metrics.seek(max(0, os.fstat(metrics.fileno()).st_size - 4096))
                lines = metrics.read().split(b"\n")[:-1]
            return json.loads(lines[-1])["step"] if lines else 0
        except (OSError, ValueError, KeyError):
            return 0

    def attempt(self):
        """The folder of the newest attempt, or None."""
        attempts = self.directory.glob("launch/attempt_*")
        return max(attempts, key=lambda path: int(path.name[8:]), default=None)

    def ranks(self):
        """The processes of the newest attempt that have not ended."""
        attempt, processes = self.attempt(), []
        for record in sorted(attempt.glob("rank_*.started")) if attempt else []:
            try:
                process = json.loads(record.read_text())["pid"]
                if name_of(process) == "train_gpt":
                    processes.append(process)
            except (OSError, ValueError):
                pass  # it is being written
        return processes

    def mpiruns(self):
        try:
            path = f"/proc/{self.launch.pid}/task/{self.launch.pid}/children"
            children = pathlib.Path(path).read_text().split()
        except OSError:
            return []
        return [child for child in map(int, children) if name_of(child) in ("mpirun", "orterun")]

    def losses(self):
        lines = map(json.loads, (self.directory / "metrics.jsonl").read_text().splitlines())
        return {line["step"]: line["loss"] for line in lines if "loss" in line}

    def final(self):
        return self.directory / "checkpoints" / f"step_{self.steps:08}"


def name_of(process):
    try:
        return pathlib.Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def send(process, number):
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


def mount_small_disk(directory):
    """Whether `directory` is now a disk of its own."""
    options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", directory]
    return subprocess.run(["mount", *options], capture_output=True).returncode == 0


class RandomFaults:
    def __init__(self, arguments, directory):
        self.faults, self.steps = arguments.faults, arguments.steps
        self.random = random.Random(arguments.seed)
        self.directory = directory
        self.has_disk = False
        self.deck = []
        self.counts, self.recovery, self.ratios = {}, {}, []

    def run(self):
        self.disk("whole")
        self.whole, self.whole_seconds = self.undisturbed()
        injected = 0
        while injected < self.faults:
            injected += self.disturbed(self.faults - injected)

    def disk(self, name):
        directory = self.directory / name
        directory.mkdir()
        self.has_disk = mount_small_disk(directory)
        return directory

    def remove_disk(self, directory):
        if self.has_disk:
            subprocess.run(["umount", "-l", directory], check=True)
        shutil.rmtree(directory)

    def undisturbed(self):
        run = Run(self.directory / "whole", self.steps)
        began = time.monotonic()
        run.start(2)
        try:
            if run.launch.wait(timeout=3000) != 0:
                raise Wrong(f"the undisturbed run failed: {run.error_text()}")
        finally:
            run.end()
        return run, time.monotonic() - began

    def disturbed(self, faults):
        """One run with at most that many faults. Returns the number of faults."""
        directory = self.disk("disturbed")
        run = Run(directory, self.steps)
        began, injected = time.monotonic(), 0
        run.start(self.random.randint(2, 4))
        try:
            while self.wait_for_a_moment(run, injected < faults):
                if injected < faults:
                    injected += self.inject(run)
                elif run.is_over():
                    self.start_again(run)
            self.compare(run)
        finally:
            run.end()
        self.ratios.append(self.whole_seconds / (time.monotonic() - began))
        self.remove_disk(directory)
        return injected

    def wait_for_a_moment(self, run, is_to_be_disturbed):
        """Waits for a random number of new steps. False if the run has finished."""
        wanted = run.newest_step() + self.random.randint(1, max(1, self.steps // 4))
        while not run.is_over() and not (is_to_be_disturbed and run.newest_step() >= wanted):
            time.sleep(0.002)
        return not (run.is_over() and run.launch.returncode == 0)

    def kinds(self):
        kinds = ["kill_a_rank", "kill_all_ranks", "stop_a_rank", "kill_mpirun", "request_a_save",
                 "limit_memory"]
        return kinds + (["fill_the_disk"] if self.has_disk else [])

    def inject(self, run):
        """Injects the next fault. Returns 1, or 0 if it was too late for it."""
        if run.is_over():
            raise Wrong(f"the launch ended with status {run.launch.returncode}: {run.error_text()}")
        if not self.deck:
            self.deck = self.random.sample(self.kinds(), len(self.kinds()))
        if len(run.ranks()) < 2:
            return 0
        kind = self.deck.pop()
        before, attempt, began = run.newest_step(), run.attempt(), time.monotonic()
        print(f"step {before}: {kind}", file=sys.stderr, flush=True)
        undo = getattr(self, kind)(run)
        self.wait_until(run, lambda: run.is_over() or run.attempt() != attempt, kind)
        if undo:
            undo()
        if run.is_over():
            self.start_again(run)
        logged = max(before, run.newest_step())  # the other ranks may have continued for a moment
        self.wait_until(run, lambda: run.is_over() or run.newest_step() > logged, kind)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.recovery.setdefault(kind, []).append(time.monotonic() - began)
        return 1

    def wait_until(self, run, condition, kind):
        deadline = time.monotonic() + MOST_WAIT
        while not condition():
            if time.monotonic() > deadline:
                raise Wrong(f"nothing proceeds after {kind}: {run.error_text()}")
            time.sleep(0.01)

    def start_again(self, run):
        """As a scheduler would."""
        status = run.launch.returncode
        if status == 0:
            return
        if status not in (74, 75):
            raise Wrong(f"the launch ended with status {status}: {run.error_text()}")
        run.start(self.random.randint(2, 4))

    def kill_a_rank(self, run):
        send(self.random.choice(run.ranks()), signal.SIGKILL)

    def kill_all_ranks(self, run):
        for process in run.ranks():
            send(process, signal.SIGKILL)

    def stop_a_rank(self, run):
        send(self.random.choice(run.ranks()), signal.SIGSTOP)

    def kill_mpirun(self, run):
        for process in run.mpiruns():
            send(process, signal.SIGKILL)

    def request_a_save(self, run):
        run.launch.send_signal(signal.SIGTERM)

    def limit_memory(self, run):
        """A rank gets no more memory; its next save needs some."""
        process = self.random.choice(run.ranks())
        try:
            resource.prlimit(process, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        except ProcessLookupError:
            pass

    def fill_the_disk(self, run):
        filler = run.directory.parent / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        return filler.unlink

    def compare(self, run):
        expected, found = self.whole.losses(), run.losses()
        if expected != found:
            steps = [step for step in sorted(expected.keys() | found.keys())
                     if expected.get(step) != found.get(step)]
            raise Wrong(f"{len(steps)} losses differ, first at step {steps[0]}")
        command = [programs.BIN / "ripieno", "diff", "--quiet", self.whole.final(), run.final()]
        if subprocess.run(command).returncode != 0:
            raise Wrong("the final checkpoints differ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=5)
    parser.add_argument("--steps", type=int, default=600, help="of each run")
    parser.add_argument("--seed", type=int, default=None, help="random by default")
    arguments = parser.parse_args()
    if not programs.MPIRUN:
        print("skipped=1: built without MPI")
        return 0
    if arguments.seed is None:
        arguments.seed = random.randrange(10**6)
    print(f"seed {arguments.seed}", file=sys.stderr, flush=True)
    began, wrong = time.monotonic(), ""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ripieno_faults_"))
    faults = RandomFaults(arguments, directory)
    try:
        faults.run()
    except Wrong as error:
        wrong = f"{error} (kept in {directory})"
    if not wrong:
        if faults.has_disk:
            subprocess.run(["umount", "-l", directory / "whole"], check=True)
        shutil.rmtree(directory)
    seconds = {kind: round(sum(all_of) / len(all_of), 1)
               for kind, all_of in faults.recovery.items()}
    ratio = sum(faults.ratios) / len(faults.ratios) if faults.ratios else 0
    print(json.dumps({"seed": arguments.seed, "steps": arguments.steps, "faults": faults.counts,
                      "seconds_to_the_next_step": seconds, "runs": len(faults.ratios),
                      "effective_training_time_ratio": round(ratio, 3),
                      "seconds": round(time.monotonic() - began), "wrong": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
