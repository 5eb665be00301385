#!/usr/bin/env python3
"""`ripieno runs`, `rerun` and `report` on runs of train_gpt, and what run.json says about them."""
import json
import os
import re
import shutil
import subprocess
import time
import unittest

from programs import BIN, MPIRUN, ProgramTest


class Runs(ProgramTest):
    STEPS = 30

    def ripieno(self, *arguments, status=0):
        """What it writes to stdout; its line on stderr if it fails."""
        ended = subprocess.run([str(BIN / "ripieno"), *map(str, arguments)], capture_output=True,
                               text=True, timeout=900, cwd=self.directory)
        self.assertEqual(ended.returncode, status, ended.stdout + ended.stderr)
        return ended.stderr if status > 1 else ended.stdout

    def start_of(self, run):
        return json.loads((self.directory / run / "run.json").read_text())["starts"][0]

    def change_start(self, run, **members):
        record = json.loads((self.directory / run / "run.json").read_text())
        record["starts"][0].update(members)
        (self.directory / run / "run.json").write_text(json.dumps(record))

    def test_the_record_says_what_ran_exactly(self):
        self.set_environment(RIPIENO_API_KEY="hidden", OMP_NUM_THREADS="2")
        self.finish("run", "--set", "train.batch_size=4", "--seed", "7")
        start = self.start_of("run")
        origins = start["origins"]
        lines = self.configuration.read_text().splitlines()
        line = next(i for i, text in enumerate(lines, 1) if text.startswith("channels"))
        self.assertEqual(origins["model"]["channels"], f"{self.configuration}:{line}")
        self.assertEqual(origins["train"]["batch_size"], "--set")
        self.assertEqual(origins["train"]["seed"], "--seed")
        self.assertEqual(origins["optimizer"]["weight_decay"], "default")
        # Hyperparameters are what the program adds: the tokenizer's identity.
        self.assertEqual(origins.keys() | {"hyperparameters"}, start["configuration"].keys())
        self.assertEqual(start["program"], str((BIN / "train_gpt").resolve()))
        self.assertRegex(start["build"]["id"], "^[0-9a-f]{16,}$")
        self.assertRegex(start["libraries"]["HDF5"], r"^1\.\d+\.\d+$")
        self.assertEqual(start["environment"]["OMP_NUM_THREADS"], "2")
        self.assertNotIn("hidden", json.dumps(start))
        self.assertNotIn("HOME", start["environment"])

    def test_commands_of_alerts_are_not_recorded(self):
        self.configuration.write_text(
            self.configuration.read_text() + '\n[alerts]\nrules = ["loss > 0 -> : s3cr3t", "loss > 1"]\n')
        self.finish("run", "--steps", "4")
        self.finish("set", "--steps", "4", "--set", "alerts.rules=['loss > 0 -> : s3cr3t']")
        self.assertEqual(self.start_of("run")["configuration"]["alerts"]["rules"],
                         ["loss > 0 -> (not recorded)", "loss > 1"])
        for file in [*(self.directory / "run").rglob("*"), *(self.directory / "set").rglob("*")]:
            if file.is_file():
                self.assertFalse(b"s3cr3t" in file.read_bytes(), file)

    def test_runs_are_listed_and_compared(self):
        self.finish("all/a")
        self.finish("all/deep/b", "--set", "optimizer.learning_rate=2e-2")
        listed = json.loads(self.ripieno("runs", "all", "--json"))["runs"]
        self.assertEqual({(run["path"], run["state"], run["step"]) for run in listed},
                         {("all/a", "finished", 30), ("all/deep/b", "finished", 30)})
        self.assertIn("all/deep/b  finished", self.ripieno("runs", "all"))
        compared = json.loads(self.ripieno("runs", "--compare", "all/a", "all/deep/b", "--json"))
        differences = {row["key"]: (row["a"], row["b"]) for row in compared["differences"]}
        self.assertEqual(differences["configuration.optimizer.learning_rate"], ("0.01", "0.02"))
        self.assertEqual(set(differences), {"configuration.optimizer.learning_rate"})
        self.assertEqual(compared["losses"]["common_steps"], 30)
        self.assertGreater(compared["losses"]["first_difference"]["step"], 1)

    def test_a_run_is_repeated_bit_by_bit(self):
        self.finish("run", "--set", "train.batch_size=4", "--seed", "7", ranks=2 if MPIRUN else 0)
        before = (self.directory / "run" / "run.json").read_bytes()
        said = self.ripieno("rerun", "run")
        self.assertIn("losses: equal bit by bit in 30 common steps", said)
        self.assertEqual(self.losses("run_rerun"), self.losses("run"))
        self.assertEqual((self.directory / "run" / "run.json").read_bytes(), before)
        self.assertEqual(self.start_of("run_rerun")["configuration"], self.start_of("run")["configuration"])

    def test_a_run_that_ended_early_is_repeated_up_to_there(self):
        self.finish("run", "--steps", "12")
        self.assertIn("in 12 common steps", self.ripieno("rerun", "run", "--to", "again"))

    def test_other_losses_are_found(self):
        self.finish("run")
        metrics = self.directory / "run" / "metrics.jsonl"
        metrics.write_text(re.sub(r'("step":20,"loss":\d\.\d*)\d', r"\g<1>", metrics.read_text(), count=1))
        self.assertRegex(self.ripieno("rerun", "run", status=1), "the first that differs is step 20:")

    def test_what_cannot_be_repeated_is_refused_on_one_line(self):
        self.finish("run")
        self.assertIn("run exists", self.ripieno("rerun", "run", "--to", "run", status=64))
        self.assertIn("not a run directory", self.ripieno("rerun", "nowhere", status=64))
        for members, status, text in [({"program": "/nowhere/train_gpt"}, 78, "cannot be executed"),
                                      ({"directory": "/nowhere"}, 78, "which does not exist"),
                                      ({"resumed_from": "/nowhere/step_1"}, 78, "the checkpoint"),
                                      ({"program": None}, 65, "an older version"),
                                      ({"hosts": ["a", "b"]}, 65, "2 hosts")]:
            with self.subTest(text):
                shutil.copytree(self.directory / "run", self.directory / "changed")
                self.change_start("changed", **members)
                said = self.ripieno("rerun", "changed", status=status)
                self.assertRegex(said, rf"\Aripieno: changed cannot be repeated: [^\n]*{text}[^\n]*\n\Z")
                self.assertFalse((self.directory / "changed_rerun").exists())
                shutil.rmtree(self.directory / "changed")

    def replace_program(self, run, script):
        program = self.directory / "program"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        self.change_start(run, program=str(program))

    def test_a_run_is_repeated_up_to_the_step_in_which_it_was_stopped(self):
        self.finish("run", "--steps", "12", "--set", "log.every=10")
        metrics = self.directory / "run" / "metrics.jsonl"  # of a process that was killed after step 12
        metrics.write_text("".join(line for line in metrics.read_text().splitlines(True) if '"step":12,' not in line))
        self.assertIn("in 1 common step", self.ripieno("rerun", "run"))
        self.assertIn(12, self.losses("run_rerun"))

    def test_a_run_without_a_step_is_not_repeated(self):
        self.finish("run", "--steps", "1")
        shutil.rmtree(self.directory / "run" / "ranks")
        shutil.rmtree(self.directory / "run" / "checkpoints")
        (self.directory / "run" / "metrics.jsonl").unlink()
        self.assertIn("it finished no step", self.ripieno("rerun", "run", status=65))

    def test_the_new_directory_is_beside_the_run(self):
        self.finish("run", "--steps", "1")
        for name in (".", "../run", "./"):
            ended = subprocess.run([str(BIN / "ripieno"), "rerun", name, "--dry-run"], capture_output=True,
                                   text=True, cwd=self.directory / "run")
            self.assertEqual(ended.returncode, 0, ended.stderr)
            self.assertIn(f"--run-dir {self.directory}/run_rerun ", ended.stderr)
        self.assertIn("is in the run", self.ripieno("rerun", "run", "--to", "run/again", status=64))
        self.assertFalse((self.directory / "run" / "again").exists())

    def test_a_signal_reaches_the_program(self):
        self.finish("run", "--steps", "1")
        started = self.directory / "started"
        self.replace_program("run", f"trap 'exit 75' TERM\ntouch {started}\nwhile :; do sleep 0.05; done\n")
        process = subprocess.Popen([str(BIN / "ripieno"), "rerun", "run"], cwd=self.directory,
                                   stderr=subprocess.DEVNULL)
        while not started.exists():
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.terminate()
        self.assertEqual(process.wait(60), 75)

    def test_an_attempt_that_fails_at_once_leaves_no_directory(self):
        self.finish("run", "--steps", "1")
        self.replace_program("run", "exit 78\n")
        self.ripieno("rerun", "run", status=78)
        self.assertFalse((self.directory / "run_rerun").exists())
        (self.directory / "mine").mkdir()
        self.ripieno("rerun", "run", "--to", "mine", status=78)
        self.assertEqual(list((self.directory / "mine").iterdir()), [])

    def test_another_build_is_warned_about(self):
        self.finish("run")
        self.change_start("run", build={"id": "00" * 20})
        ended = subprocess.run([str(BIN / "ripieno"), "rerun", "run", "--dry-run"], capture_output=True,
                               text=True, cwd=self.directory)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn("another build than the one that ran", ended.stderr)

    def test_a_folder_that_cannot_be_read_is_named(self):
        self.directory.chmod(0o755)
        (self.directory / "all" / "closed").mkdir(parents=True)
        (self.directory / "all" / "closed").chmod(0)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            ended = subprocess.run([str(BIN / "ripieno"), "runs", "all"], capture_output=True, text=True,
                                   cwd=self.directory, **user)
        except PermissionError:
            self.skipTest("another user cannot execute the program")
        self.assertIn("Not read: cannot list all/closed: Permission denied", ended.stdout, ended.stderr)

    def test_reports_are_single_files(self):
        self.finish("a")
        self.finish("b", "--set", "optimizer.learning_rate=2e-2")
        (self.directory / "a" / "report.html").unlink()
        self.assertEqual(self.ripieno("report", "a").strip(), "a/report.html")
        self.assertEqual(self.ripieno("report", "a", "b", "-o", "both.html").strip(), "both.html")
        page = (self.directory / "both.html").read_text()
        self.assertIn("configuration.optimizer.learning_rate", page)
        self.assertEqual(page.count('class="curve run-0"'), page.count('class="curve run-1"'))
        self.assertGreater(page.count('class="curve run-0"'), 2)
        for name in ("a/report.html", "both.html"):
            text = (self.directory / name).read_text()
            self.assertNotRegex(text, r"(src|href)=|https?://(?!www\.w3\.org)|@import|url\(")
        self.assertIn("not a run directory", self.ripieno("report", "a", "nowhere", status=64))


if __name__ == "__main__":
    unittest.main()
