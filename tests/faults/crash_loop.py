#!/usr/bin/env python3
"""Kills a training run repeatedly and checks that no saved step is lost.

Trains a tiny model that saves every second step. At random times one rank, mpirun, or all processes
get SIGKILL; then the same command is launched again, on the same or another number of ranks. After
each kill:

* every checkpoint in the directory is intact, and none was set aside as damaged;
* the run resumes from the newest checkpoint that was complete at the kill, not from an earlier one.

After the last kill the run finishes. With a constant number of ranks its parameters, optimizer
state and losses must be bitwise identical to those of an uninterrupted run. With changing numbers,
where sums are rounded in a different order, each loss must agree within LOSS_TOLERANCE. With
--strict, everything must be bitwise identical to an uninterrupted run on one rank, whatever the
numbers. With --shard the optimizer state, or also the gradients, are sharded. If a run finishes
before all kills are used up, another run begins.

  crash_loop.py --kills 25 --ranks 2|1-4 [--strict] [--shard optimizer|gradients] [--seed S]

Requires RIPIENO_BIN and, for more than one rank, RIPIENO_MPIRUN in the environment, as
tests/training does. Prints a summary in JSON. Exits with 0 if every check passed.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "training"))
import programs  # noqa: E402

STEPS = 80
# Relative. A sum of 8 losses in a different order differs in its last bits (1e-7), which 80 steps
# of AdamW with a learning rate of 1e-2 amplify.
LOSS_TOLERANCE = 1e-4

CONFIGURATION = programs.CONFIGURATION.replace("every = 10", "every = 2").replace(
    "evaluate_every = 40", "evaluate_every = 0")


class Lost(Exception):
    """A check failed."""


def processes_in_session(leader):
    """The processes in the session of `leader`, also those whose parent has ended."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue  # it has ended
        state, _, _, session = stat.rpartition(")")[2].split()[:4]
        if state != "Z" and int(session) == leader:
            found.append(int(entry))
    return found


def name_of(process):
    try:
        return pathlib.Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def send_kill(process):
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Run:
    """One run directory and the launches that work on it."""

    def __init__(self, directory, seed, strict, shard="none"):
        self.directory = directory
        self.options = ["--set", "parallel.strict=true"] if strict else ["--set", f"parallel.shard={shard}"]
        self.checkpoints = directory / "checkpoints"
        text = directory.parent / "text.txt"
        text.write_text(programs.text())
        self.configuration = directory.parent / "tiny.toml"
        self.configuration.write_text(CONFIGURATION.format(text=text, steps=STEPS))
        self.seed = seed

    def start(self, ranks):
        launcher = [programs.MPIRUN, str(ranks)] if ranks > 1 else []
        command = [*launcher, str(programs.BIN / "train_gpt"), "--config", str(self.configuration), "--run-dir",
                   str(self.directory), "--quiet", "--set", f"train.seed={self.seed}", *self.options]
        self.errors = open(self.directory.parent / "errors.txt", "w+")
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.errors, start_new_session=True,
                                env={**os.environ, **programs.NO_GPU, "OMP_NUM_THREADS": "1"})

    def stderr_text(self):
        self.errors.seek(0)
        return self.errors.read()

    def whole(self):
        """The complete checkpoints. One that is being removed loses its manifest first."""
        return sorted(path.parent for path in self.checkpoints.glob("step_????????/manifest.json"))

    def newest(self):
        """The step of the newest complete checkpoint; 0 if there is none."""
        return max((int(path.name[5:]) for path in self.whole()), default=0)

    def steps_logged(self):
        metrics = self.directory / "metrics.jsonl"
        return metrics.read_bytes().count(b"\n") if metrics.exists() else 0

    def is_saving(self):
        return any(self.checkpoints.glob("step_*.partial"))

    def resumed_steps(self):
        """The step from which each launch so far resumed."""
        record = self.directory / "run.json"
        starts = json.loads(record.read_text())["starts"] if record.exists() else []
        return [int(pathlib.Path(start["resumed_from"]).name[5:13]) if start["resumed_from"] else 0
                for start in starts]

    def check_whole(self):
        """Checks that every checkpoint is intact. Returns their number."""
        damaged = [path.name for path in self.checkpoints.glob("*.damaged")]
        if damaged:
            raise Lost(f"set aside as damaged: {damaged}")
        whole = self.whole()
        for path in whole:
            verified = subprocess.run([str(programs.BIN / "ripieno"), "verify", str(path)], capture_output=True,
                                      text=True)
            if verified.returncode != 0:
                raise Lost(f"{path.name} is not intact: {verified.stdout}{verified.stderr}")
        return len(whole)

    def losses(self):
        lines = map(json.loads, (self.directory / "metrics.jsonl").read_text().splitlines())
        return {line["step"]: line["loss"] for line in lines if "loss" in line}

    def final(self):
        return self.checkpoints / f"step_{STEPS:08}"

    def has_same_result_as(self, other):
        """Whether parameters and optimizer state are bitwise identical, whatever the pieces."""
        compared = subprocess.run([str(programs.BIN / "ripieno"), "diff", "--quiet", str(self.final()),
                                   str(other.final())])
        return compared.returncode == 0


class CrashLoop:
    def __init__(self, arguments, directory):
        self.random = random.Random(arguments.seed)
        lowest, _, highest = arguments.ranks.partition("-")
        self.lowest, self.highest = int(lowest), int(highest or lowest)
        self.kills = arguments.kills
        self.strict = arguments.strict
        self.shard = arguments.shard
        self.bitwise = self.strict or self.lowest == self.highest
        self.directory = directory
        self.counts = {"kills": 0, "inside_a_save": 0, "before_the_first_step": 0, "of_a_rank": 0, "of_mpirun": 0,
                       "of_all": 0, "resumes": 0, "runs": 0, "verified": 0, "largest_difference": 0.0}
        self.wholes = {}  # an uninterrupted run for each seed

    def ranks(self):
        return self.random.randint(self.lowest, self.highest)

    def run(self):
        while self.counts["kills"] < self.kills:
            self.one_run(seed=1 + self.counts["runs"] % 3)
            self.counts["runs"] += 1
            shutil.rmtree(self.directory / "killed")

    def one_run(self, seed):
        run = self.new_run("killed", seed)
        whole, starts = 0, 0  # newest complete step at the last kill, number of launches
        while True:
            is_killed = self.counts["kills"] < self.kills
            attempt = run.start(self.ranks())
            try:
                if is_killed and self.kill_at_a_random_moment(run, attempt):
                    self.counts["kills"] += 1
                else:
                    attempt.wait(timeout=3000)
                    is_killed = False
            finally:
                if attempt.poll() is None:  # otherwise the process id may be in use again
                    for process in processes_in_session(attempt.pid):
                        send_kill(process)
                    attempt.wait()
            if not is_killed and attempt.returncode != 0:
                raise Lost(f"a launch failed with {attempt.returncode}: {run.stderr_text()}")
            starts = self.check(run, whole, starts)
            if is_killed and self.counts["kills"] % 25 == 0:
                print(json.dumps(self.counts), file=sys.stderr, flush=True)
            whole = run.newest()
            if not is_killed:
                return self.compare(run, seed)

    def new_run(self, name, seed):
        directory = self.directory / name / "run"
        directory.mkdir(parents=True)
        return Run(directory, seed, self.strict, self.shard)

    def kill_at_a_random_moment(self, run, attempt):
        """False if it ended before it was killed."""
        before, steps = run.steps_logged(), self.random.randrange(0, 16)
        while attempt.poll() is None and run.steps_logged() < before + steps:
            time.sleep(0.0005)
        if steps == 0:
            time.sleep(self.random.uniform(0, 0.3))  # during startup or resuming
        if self.random.random() < 0.5:
            while attempt.poll() is None and not run.is_saving():
                pass
        time.sleep(self.random.uniform(0, 0.012))
        processes = processes_in_session(attempt.pid)
        ranks = [process for process in processes if name_of(process) == "train_gpt"]
        launchers = [process for process in processes if name_of(process) == "mpirun"]
        if attempt.poll() is not None:
            return False
        self.strike(ranks, launchers, attempt)
        self.wait_until_ended(attempt)
        self.counts["inside_a_save"] += run.is_saving()
        self.counts["before_the_first_step"] += run.steps_logged() == before
        return True

    def strike(self, ranks, launchers, attempt):
        kind = self.random.choices(["of_all", "of_a_rank", "of_mpirun"], [6, 3, 1])[0]
        if not launchers or not ranks:
            kind = "of_all"
        self.counts[kind] += 1
        targets = {"of_all": launchers + ranks or [attempt.pid], "of_a_rank": ranks and [self.random.choice(ranks)],
                   "of_mpirun": launchers}[kind]
        for target in targets:
            send_kill(target)

    def wait_until_ended(self, attempt):
        """Waits for the launcher, and for ranks that it left behind or was just starting."""
        attempt.wait(timeout=600)
        end = time.monotonic() + 600
        while processes_in_session(attempt.pid):
            if time.monotonic() > end:
                raise Lost("a rank was still running ten minutes after its mpirun had ended")
            time.sleep(0.005)

    def check(self, run, whole, starts):
        """Checks the state after a launch. Returns the number of launches so far."""
        self.counts["verified"] += run.check_whole()
        resumed = run.resumed_steps()
        if len(resumed) > starts + 1:
            raise Lost(f"run.json records {len(resumed)} launches, must be at most {starts + 1}")
        for step in resumed[starts:]:
            self.counts["resumes"] += 1
            if step != whole:
                raise Lost(f"step {whole} was complete, but the run resumed from step {step}: {run.stderr_text()}")
        if run.newest() < whole:
            raise Lost(f"step {whole} was complete, but now the newest is {run.newest()}")
        return len(resumed)

    def whole_run(self, seed):
        if seed not in self.wholes:
            run = self.new_run(f"whole_{seed}", seed)
            ended = run.start(self.lowest)
            if ended.wait(timeout=3000) != 0:
                raise Lost(f"the uninterrupted run failed: {run.stderr_text()}")
            self.wholes[seed] = run
        return self.wholes[seed]

    def compare(self, run, seed):
        whole = self.whole_run(seed)
        losses, found = whole.losses(), run.losses()
        if found.keys() != losses.keys():
            raise Lost(f"missing or unexpected steps in the metrics: {sorted(found.keys() ^ losses.keys())}")
        largest = max(abs(found[step] - losses[step]) / losses[step] for step in losses)
        self.counts["largest_difference"] = max(self.counts["largest_difference"], largest)
        if self.bitwise and (largest > 0 or not run.has_same_result_as(whole)):
            raise Lost(f"the killed run is not bitwise identical; losses differ by up to {largest}")
        if largest > LOSS_TOLERANCE:
            raise Lost(f"losses differ by up to {largest}, more than {LOSS_TOLERANCE}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--ranks", default="2", help="number of ranks, or a range: 1-4 (default: 2)")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--shard", choices=["none", "optimizer", "gradients"], default="none")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.ranks != "1" and not programs.MPIRUN:
        print("skipped=1: built without MPI")
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ripieno_crash_") as directory:
        loop = CrashLoop(arguments, pathlib.Path(directory))
        lost = ""
        try:
            loop.run()
        except Lost as failure:
            lost = str(failure)
            kept = tempfile.mkdtemp(prefix="ripieno_lost_")
            shutil.copytree(directory, kept, dirs_exist_ok=True)
            lost += f" (kept in {kept})"
    print(json.dumps({"ranks": arguments.ranks, "strict": arguments.strict, "shard": arguments.shard, "seed": arguments.seed,
                      **loop.counts, "seconds": round(time.monotonic() - began), "lost": lost}))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
