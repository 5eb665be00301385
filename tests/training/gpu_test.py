"""Runs on a GPU compared with the same runs on the CPU.

Trains gpt_char for 200 steps on the text file RIPIENO_GPT_CHAR_TEXT if that is set, otherwise a
small model.
"""

import os
import pathlib
import subprocess
import unittest

import programs

TEXT = os.environ.get("RIPIENO_GPT_CHAR_TEXT")
# Two devices round differently, and training amplifies the difference from step to step.
EARLY_STEPS, EARLY, LATE = 50, 1e-4, 2e-3
GPT_CHAR = pathlib.Path(__file__).parents[2] / "examples/configs/gpt_char.toml"


def allowed(step):
    """The largest difference of two losses of that step on different devices."""
    return EARLY if step <= EARLY_STEPS else LATE


class Curves(unittest.TestCase):
    """Two curves of losses by step."""

    def assert_same_curve(self, losses, expected):
        self.assertEqual(losses.keys(), expected.keys())
        furthest = max(
            expected, key=lambda step: abs(losses[step] - expected[step]) / allowed(step)
        )
        self.assertAlmostEqual(
            losses[furthest], expected[furthest], delta=allowed(furthest), msg=f"step {furthest}"
        )


class Tolerance(Curves):
    EXPECTED = {step: 3.0 for step in (1, EARLY_STEPS, EARLY_STEPS + 1, 200)}

    def assert_differs(self, step, difference):
        with self.assertRaisesRegex(AssertionError, f"step {step}$"):
            self.assert_same_curve({**self.EXPECTED, step: 3.0 + difference}, self.EXPECTED)

    def test_is_smaller_in_the_first_steps(self):
        self.assert_same_curve(
            {**self.EXPECTED, EARLY_STEPS: 3.00009, EARLY_STEPS + 1: 3.0019}, self.EXPECTED
        )
        self.assert_differs(EARLY_STEPS, 0.0002)
        self.assert_differs(EARLY_STEPS + 1, 0.0021)


class Gpu(programs.ProgramTest, Curves):
    STEPS = 200 if TEXT else 30
    ON_GPU = True

    def setUp(self):
        super().setUp()
        self.settings = []
        if TEXT:
            self.configuration = GPT_CHAR
            self.settings = ["--set", f"data.path={TEXT}", "--set", "checkpoint.every=100"]
        programs.require_gpu(self)

    def train_on(self, device, run, steps=None):
        return self.finish(run, "--device", device, "--steps", steps or self.STEPS, *self.settings)

    def test_losses_equal_those_of_the_cpu(self):
        self.assert_same_curve(self.train_on("cuda", "gpu"), self.train_on("cpu", "cpu"))

    def one_step(self, *arguments, **environment):
        """The output of a run of one step."""
        command = self.command("one_step", "--device", "cuda", "--steps", 1, "--resume", "never", *self.settings, *arguments)
        command.remove("--quiet")
        return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)

    def test_one_line_at_startup_says_what_computes_and_why(self):
        line = r"(?m)^cuda:0: matrix products by .+, {}; attention by built-in kernels \(cuDNN computes 16-bit types"
        self.assertRegex(self.one_step().stdout, line.format("the fastest algorithm measured for each shape"))
        self.assertRegex(self.one_step(RIPIENO_MATMUL_MEASURE="0").stdout,
                         line.format(r"its own choice of algorithms \(RIPIENO_MATMUL_MEASURE=0\)"))
        self.assertRegex(self.one_step("--set", "train.deterministic=true").stdout,
                         line.format(r"its own choice of algorithms \(train.deterministic or parallel.strict\)"))

    def test_attention_that_falls_back_is_warned_of(self):
        done = self.one_step("--set", "train.precision=bfloat16", RIPIENO_USE_CUDNN="0")
        self.assertIn("train_gpt: warning: attention in bfloat16 does not use tensor cores and is slower: it is "
                      "computed by built-in kernels: disabled by RIPIENO_USE_CUDNN=0\n", done.stderr)

    def test_a_switch_with_another_value_is_refused(self):
        done = self.one_step(RIPIENO_USE_CUDNN="no")
        self.assertEqual(done.returncode, 78)
        self.assertIn('RIPIENO_USE_CUDNN must be 0 or 1, got "no"', done.stderr)

    def test_a_checkpoint_of_either_continues_on_the_other(self):
        expected = self.train_on("cpu", "cpu")
        for first, second in (("cuda", "cpu"), ("cpu", "cuda")):
            run = f"{first}_{second}"
            self.train_on(first, run, self.STEPS // 2)
            self.assert_same_curve(self.train_on(second, run), expected)


if __name__ == "__main__":
    unittest.main()
