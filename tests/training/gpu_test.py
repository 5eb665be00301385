"""Runs on a GPU compared with the same runs on the CPU.

Trains gpt_char for 200 steps on the text file RIPIENO_GPT_CHAR_TEXT if that is set, otherwise a small model.
"""
import os
import pathlib
import unittest

import programs

TEXT = os.environ.get("RIPIENO_GPT_CHAR_TEXT")
GPT_CHAR = pathlib.Path(__file__).parents[2] / "examples/configs/gpt_char.toml"


class Gpu(programs.ProgramTest):
    STEPS = 200 if TEXT else 30

    def setUp(self):
        super().setUp()
        self.settings = []
        if TEXT:
            self.configuration = GPT_CHAR
            self.settings = ["--set", f"data.path={TEXT}", "--set", "checkpoint.every=100"]
        programs.require_gpu(self)

    def train_on(self, device, run, steps=None):
        return self.finish(run, "--device", device, "--steps", steps or self.STEPS, *self.settings)

    def assert_same_curve(self, losses, expected):
        self.assertEqual(losses.keys(), expected.keys())
        furthest = max(expected, key=lambda step: abs(losses[step] - expected[step]))
        self.assertAlmostEqual(losses[furthest], expected[furthest], delta=1e-4, msg=f"step {furthest}")

    def test_losses_equal_those_of_the_cpu(self):
        self.assert_same_curve(self.train_on("cuda", "gpu"), self.train_on("cpu", "cpu"))

    def test_a_checkpoint_of_either_continues_on_the_other(self):
        expected = self.train_on("cpu", "cpu")
        for first, second in (("cuda", "cpu"), ("cpu", "cuda")):
            run = f"{first}_{second}"
            self.train_on(first, run, self.STEPS // 2)
            self.assert_same_curve(self.train_on(second, run), expected)


if __name__ == "__main__":
    unittest.main()
