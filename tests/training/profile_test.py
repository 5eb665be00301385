"""Runs with --profile: the trace of all ranks, the table, and refused options."""
import json
import re
import unittest

import programs


class Profile(programs.ProgramTest):
    STEPS = 20

    def setUp(self):
        super().setUp()
        self.file = self.directory / "trace.json"

    def profiled(self, run, *arguments, **options):
        """Trains with progress output, which contains the table; returns the ended process."""
        command = [word for word in self.command(run, "--profile", self.file, *arguments, **options)
                   if word != "--quiet"]
        ended = programs.subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended

    def events(self):
        return json.loads(self.file.read_text())["traceEvents"]

    @programs.needs_mpi
    def test_of_two_ranks_is_one_file(self):
        self.profiled("run", "--profile-steps", "7-9", ranks=2)
        events = [event for event in self.events() if event["ph"] == "X"]
        for rank in (0, 1):
            of_rank = [event for event in events if event["pid"] == rank]
            self.assertEqual([event["name"] for event in of_rank if event["cat"] == "step"],
                             ["step 7", "step 8", "step 9"])
            self.assertLessEqual({"linear", "attention", "adamw", "all_reduce", "data"},
                                 {event["name"] for event in of_rank})
        overlaps = [step["ts"] < other["ts"] + other["dur"] and other["ts"] < step["ts"] + step["dur"]
                    for step in events for other in events
                    if step["name"] == other["name"] == "step 8" and step["pid"] < other["pid"]]
        self.assertEqual(overlaps, [True], "the ranks' times are not on one axis")

    def test_prints_a_table_whose_shares_add_up(self):
        output = self.profiled("run").stdout
        self.assertIn("profile of steps 6 to 15", output)
        block = output.split("training thread", 1)[1].split("\n\n", 1)[0]
        shares = [float(share) for share in re.findall(r"(-?[0-9.]+) %", block)]
        self.assertAlmostEqual(sum(shares), 100, delta=0.05 * len(shares))

    def test_changes_no_result(self):
        whole = self.finish("whole")
        self.profiled("profiled")
        self.assertEqual(self.losses("profiled"), whole)

    def test_of_an_unwritable_file_is_refused_before_training(self):
        ended = self.train("run", "--profile", self.directory / "absent" / "trace.json")
        self.assertEqual(ended.returncode, 74, ended.stderr)
        self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)
        self.assertIn("absent/trace.json", ended.stderr)
        self.assertFalse((self.directory / "run").exists())

    def test_refuses_what_is_not_a_range_of_steps(self):
        for steps in ("5", "9-3", "0-4", "a-b", "3-", "-", "1-2-3", "1-99999999999999999999"):
            ended = self.train("run", "--profile", self.file, f"--profile-steps={steps}")
            self.assertEqual((ended.returncode, ended.stderr.count("\n")), (64, 1), ended.stderr)
            self.assertIn("not a range of steps", ended.stderr)
        ended = self.train("run", "--profile-steps", "3-5")
        self.assertEqual(ended.returncode, 64, ended.stderr)
        self.assertIn("--profile", ended.stderr)


if __name__ == "__main__":
    unittest.main()
