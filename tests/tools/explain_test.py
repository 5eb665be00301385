#!/usr/bin/env python3
"""`ripieno explain` on run directories of train_gpt. Its diagnoses have tests of their own."""
import json
import shutil
import signal
import subprocess
import unittest

from programs import BIN, MPIRUN, ProgramTest


class Explain(ProgramTest):
    STEPS = 40

    def explain(self, *arguments, status=0):
        command = [str(BIN / "ripieno"), "explain", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600,
                               cwd=self.directory)
        self.assertEqual(ended.returncode, status, ended.stdout + ended.stderr)
        if status:
            self.assertRegex(ended.stderr, r"\Aripieno: [^\n]+\n\Z")
        return ended.stderr if status else ended.stdout

    def test_nothing_is_wrong_with_a_finished_run(self):
        self.finish("run", ranks=2 if MPIRUN else 0)
        found = json.loads(self.explain("run", "--json"))
        self.assertEqual((found["state"], found["step"], found["steps"]), ("finished", 40, 40))
        # The machine that runs the tests may be busy.
        slow = ("R-SLOW", "R-HOST-05")
        codes = [finding["code"] for finding in found["findings"]]
        self.assertEqual([code for code in codes if not code.startswith(slow)], [])
        self.assertGreater(found["seconds"]["backward"], 0)
        self.assertIn("run has finished, with step 40", self.explain("run"))

    def test_a_killed_run_is_told_from_a_saved_one(self):
        for sent, state, code in [(signal.SIGKILL, "failed", "R-HOST-03"),
                                  (signal.SIGUSR1, "saved", None)]:
            with self.subTest(sent):
                process = self.start("run", "--steps", "4000", "--set", "schedule.steps=4000")
                self.wait_for_steps("run", process, 3)
                process.send_signal(sent)
                process.communicate()
                found = json.loads(self.explain("run", "--json"))
                self.assertEqual(found["state"], state)
                if code:
                    first = found["findings"][0]
                    self.assertEqual((first["code"], first["role"]), (code, "root"))
                    self.assertIn("signal 9", first["text"])

    def test_what_cannot_be_read_is_reported_on_one_line(self):
        (self.directory / "empty").mkdir()
        self.finish("run")
        damaged = self.directory / "damaged"
        shutil.copytree(self.directory / "run", damaged)
        for record in damaged.glob("ranks/*/flight_record.*"):
            record.write_bytes(record.read_bytes()[:8] + b"\x09" + record.read_bytes()[9:])
        self.assertIn("not a run directory", self.explain("empty", status=64))
        self.assertIn("no such directory", self.explain("nowhere", status=64))
        self.assertIn("version 9", self.explain("damaged", status=65))
        with open("/dev/full", "w") as full:
            ended = subprocess.run([str(BIN / "ripieno"), "explain", str(self.directory / "run")],
                                   stdout=full, stderr=subprocess.DEVNULL)
        self.assertEqual(ended.returncode, 74)


if __name__ == "__main__":
    unittest.main()
