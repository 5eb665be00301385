#!/usr/bin/env python3
"""`ripieno plan`: its output, and what it refuses."""
import json
import subprocess
import unittest

from programs import BIN, ProgramTest

GPT2 = """
[model]
kind = "gpt"
vocab = 50304
layers = 12
heads = 12
channels = 768
context = 1024
[train]
batch_size = 512
micro_batch_size = 32
precision = "bfloat16"
[schedule]
steps = 20000
"""


class Plan(ProgramTest):
    def setUp(self):
        super().setUp()
        self.gpt2 = self.directory / "gpt2.toml"
        self.gpt2.write_text(GPT2)

    def plan(self, *arguments, status=0):
        ended = subprocess.run([str(BIN / "ripieno"), "plan", *map(str, arguments)], capture_output=True, text=True,
                               timeout=600, cwd=self.directory)
        self.assertEqual(ended.returncode, status, ended.stdout + ended.stderr)
        if status:
            self.assertRegex(ended.stderr, r"\Aripieno: [^\n]+\n\Z")
            self.assertEqual(ended.stdout, "")
        return ended.stderr if status else ended.stdout

    def json(self, *arguments):
        return json.loads(self.plan(*arguments, "--json"))

    def test_the_json_has_what_programs_read(self):
        plan = self.json(self.gpt2, "--ranks", 8, "--device", "h200", "--price-per-hour", 3)
        self.assertEqual(plan["version"], 1)
        self.assertEqual(plan["model"], {"kind": "gpt", "parameters": 124475904})
        self.assertEqual((plan["ranks"], plan["hosts"], plan["unit"]), (8, 1, "tokens"))
        seconds = plan["step"]["seconds"]
        self.assertAlmostEqual(sum(seconds.values()), 2 * seconds["total"])
        self.assertAlmostEqual(plan["units_per_second"] * seconds["total"], 512 * 1024, places=3)
        self.assertAlmostEqual(plan["run"]["days"], 20000 * seconds["total"] / 86400)
        self.assertAlmostEqual(plan["run"]["money"], plan["run"]["days"] * 24 * 8 * 3)
        self.assertTrue(plan["memory"]["fits"])
        self.assertIsNone(plan["to_fit"])
        self.assertTrue(0 < plan["model_flops_utilization"] < 1)
        speedups = [change["speedup"] for change in plan["changes"]]
        self.assertEqual(speedups, sorted(speedups, reverse=True))
        self.assertTrue(speedups)

    def test_the_text_says_rate_days_and_money(self):
        text = self.plan(self.gpt2, "--ranks", 4096, "--set", "train.batch_size=4096", "--device", "h100",
                         "--price-per-hour", 2)
        for words in ("4,096 ranks on 512 hosts of h100", "data sheet, not measured", "tokens/s", "money",
                      "communication, not hidden", "It fits"):
            self.assertIn(words, text)

    def test_says_what_makes_it_fit(self):
        text = self.plan(self.gpt2, "--device", "h100", "--ranks", 2, "--set", "train.micro_batch_size=256")
        self.assertRegex(text, r"IT DOES NOT FIT: .* per rank, but only 75.2 GB are usable")
        self.assertRegex(text, r"The smallest change that makes it fit: --set train.micro_batch_size=128")

    def test_sizes_come_from_the_data_or_from_options(self):
        self.configuration.write_text(self.configuration.read_text().replace("[model]", '[model]\nkind = "gpt"'))
        from_data = self.json(self.configuration)["model"]["parameters"]
        self.assertEqual(from_data, self.json(self.configuration, "--set", "model.vocab=4")["model"]["parameters"])
        missing = ["--set", "data.path=absent.txt"]
        self.assertIn("--vocabulary N", self.plan(self.configuration, *missing, status=78))
        self.assertEqual(from_data,
                         self.json(self.configuration, *missing, "--vocabulary", 4)["model"]["parameters"])

    def test_measures_this_host(self):
        self.configuration.write_text(self.configuration.read_text().replace("[model]", '[model]\nkind = "gpt"'))
        plan = self.json(self.configuration, "--ranks", 2, "--measure")
        self.assertIn("measured on this host", plan["device"]["source"])
        self.assertGreater(plan["units_per_second"], 0)

    def test_a_calibration_replaces_the_table(self):
        calibration = {"version": 1, "device": "cpu", "host": "a", "cores": 2, "gflops": {"f32": 100, "bf16": 50},
                       "memory_gb_per_second": 20, "links": [],
                       "storage": {"write_bytes_per_second": 1e8, "read_bytes_per_second": 1e8}}
        path = self.directory / "calibration.json"
        path.write_text(json.dumps(calibration))
        slow = self.json(self.gpt2, "--calibration", path)
        calibration["gflops"] = {"f32": 200, "bf16": 100}
        path.write_text(json.dumps(calibration))
        fast = self.json(self.gpt2, "--calibration", path)
        self.assertEqual(fast["device"], {"name": "cpu", "source": str(path)})
        self.assertGreater(fast["units_per_second"], 1.5 * slow["units_per_second"])
        self.assertIn("was measured on cpu", self.plan(self.gpt2, "--calibration", path, "--device", "h200", status=78))
        path.write_text("{")
        self.assertIn("not a calibration", self.plan(self.gpt2, "--calibration", path, status=65))

    def test_refuses_what_is_not_a_number_of_ranks_or_a_price(self):
        for option, value in (("--ranks", "0"), ("--ranks", "4097"), ("--ranks", "two"), ("--price-per-hour", "3,5"),
                              ("--price-per-hour", "-1"), ("--price-per-hour", "nan"), ("--link-gbits", "0"),
                              ("--cores", "0"), ("--latency-us", "x"), ("--ranks-per-host", "0"),
                              ("--cores", "3e9"), ("--cores", "1e-300"), ("--price-per-hour", "1e308"),
                              ("--link-gbits", "1e-300")):
            with self.subTest(option=option, value=value):
                self.assertIn(option, self.plan(self.gpt2, option, value, status=64))

    def test_says_how_many_ranks_there_may_be(self):
        self.assertIn("--ranks 0: must be an integer from 1 to 4096", self.plan(self.gpt2, "--ranks", 0, status=64))

    def test_refuses_cores_where_they_mean_nothing(self):
        self.assertIn("the ranks compute on h100", self.plan(self.gpt2, "--device", "h100", "--cores", 8, status=64))
        self.assertIn("--measure measures this host", self.plan(self.gpt2, "--cores", 65536, "--measure", status=64))

    def test_an_empty_text_exists(self):
        (self.directory / "text.txt").write_text("")
        self.configuration.write_text(self.configuration.read_text().replace("[model]", '[model]\nkind = "gpt"'))
        self.assertIn("which is empty", self.plan(self.configuration, status=78))

    def test_the_largest_numbers_are_finite(self):
        plan = self.plan(self.gpt2, "--ranks", 4096, "--set", "train.batch_size=4096", "--device", "h100",
                         "--price-per-hour", 1e9, "--link-gbits", 1e-3, "--latency-us", 1e9,
                         "--set", "schedule.steps=1000000000000")
        self.assertNotRegex(plan, r"\b(inf|nan)\b")

    def test_refuses_what_is_not_a_configuration(self):
        self.assertIn("did you mean h200", self.plan(self.gpt2, "--device", "h20", status=78))
        self.assertIn("absent.toml", self.plan("absent.toml", status=78))
        self.assertIn("model.kind is not set", self.plan(self.configuration, status=78))
        self.assertIn("model.kind must be one of", self.plan(self.gpt2, "--set", "model.kind=lstm", status=78))
        self.assertIn("not valid TOML", self.plan(self.directory / "text.txt", status=78))
        self.assertIn("did you mean", self.plan(self.gpt2, "--set", "train.batchsize=3", status=78))
        self.assertIn("parallel.strict cannot be combined",
                      self.plan(self.gpt2, "--set", "parallel.strict=true", "--set", "parallel.diloco_steps=2",
                                status=78))

    def test_measure_is_of_this_host(self):
        self.assertIn("--measure", self.plan(self.gpt2, "--device", "h200", "--measure", status=64))


if __name__ == "__main__":
    unittest.main()
