"""train.graph of the programs: the same results with and without, or one line that says why not."""
import os
import unittest
import unittest.mock

import programs

LINE = "train_gpt: train.graph: steps run without a CUDA graph: "


class Graph(programs.ProgramTest):
    STEPS = 12  # few and small, because the emulated GPU is slow

    def setUp(self):
        super().setUp()
        programs.require_gpu(self)

    def train_with(self, graph, run, *settings):
        arguments = []
        for setting in (f"train.graph={graph}", "train.batch_size=2", *settings):
            arguments += ["--set", setting]
        return self.train(run, "--device", "cuda", *arguments)

    def assert_same_results(self, *settings):
        for graph in ("off", "on", "auto"):
            ended = self.train_with(graph, graph, *settings)
            self.assertEqual((ended.returncode, ended.stderr), (0, ""))
            for name in ("loss", "gradient_norm", "validation_loss"):
                self.assertEqual(self.values(graph, name), self.values("off", name))
        self.assertEqual(len(self.losses("on")), self.STEPS)

    def test_losses_are_the_same_with_and_without(self):
        self.assert_same_results("train.evaluate_every=8", "train.gradient_clip=0.5")

    def test_losses_are_the_same_in_micro_batches(self):
        self.assert_same_results("train.micro_batch_size=1", "schedule.warmup_steps=5")

    def test_a_run_continues_with_the_same_losses(self):
        self.train_with("off", "whole")
        arguments = ("--device", "cuda", "--set", "train.graph=on", "--set", "train.batch_size=2")
        self.finish("parts", "--steps", 6, *arguments)
        self.assertEqual(self.finish("parts", *arguments), self.losses("whole"))

    def test_replayed_steps_have_no_phases(self):
        for graph, known in (("off", True), ("on", False)):
            self.train_with(graph, graph)
            seconds = self.values(graph, "seconds")[self.STEPS]
            self.assertEqual("optimizer" in seconds, known)
            self.assertIn("total", seconds)

    def test_one_line_says_why_steps_run_without(self):
        strict, diloco = "parallel.strict=true", "parallel.diloco_steps=3"
        reasons = {strict: "parallel.strict: several threads compute its slots",
                   diloco: "parallel.diloco_steps: some steps are followed by an outer step"}
        for setting, why in reasons.items():
            ended = self.train_with("auto", setting, setting)
            self.assertEqual((ended.returncode, ended.stderr), (0, LINE + why + "\n"))
            ended = self.train_with("on", setting + "_on", setting)
            self.assertEqual(ended.returncode, 78)
            self.assertIn("train.graph=on, but the step cannot be recorded as a CUDA graph: "
                          f"{why}; set train.graph=auto", ended.stderr)


    def test_the_environment_can_prevent_it(self):
        for name, value, why in (("RIPIENO_SYNC", "1", "waits for each operation"),
                                 ("RIPIENO_POOL", "off", "allocates memory in each step")):
            with unittest.mock.patch.dict(os.environ, {name: value}):
                ended = self.train_with("auto", name, "schedule.steps=1")
            self.assertEqual((ended.returncode, ended.stderr), (0, f"{LINE}{name}={value} {why}\n"))


class GraphOnTheCpu(programs.ProgramTest):
    STEPS = 4

    def test_nothing_is_recorded_and_nothing_is_said(self):
        ended = self.train("auto", "--device", "cpu")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))

    def test_requiring_it_is_an_error(self):
        ended = self.train("on", "--device", "cpu", "--set", "train.graph=on")
        self.assertEqual(ended.returncode, 78)
        self.assertIn("it runs on the CPU; set train.graph=auto", ended.stderr)


if __name__ == "__main__":
    unittest.main()
