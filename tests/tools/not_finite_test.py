#!/usr/bin/env python3
"""What the programs report about a checkpoint with NaN or infinite values."""
import json
import struct
import subprocess
import unittest

import programs

IN_MOMENT = "optimizer first_moment/blocks.0.up.weight: 1 element is NaN or infinite\n"
IN_PARAMETER = "parameter positions.weight: 2 elements are NaN or infinite\n"


def write_values(path, name, values):
    """Overwrites the last elements of a float32 tensor in a safetensors file."""
    data = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    end = 8 + length + json.loads(data[8 : 8 + length])[name]["data_offsets"][1]
    data[end - 4 * len(values) : end] = struct.pack(f"<{len(values)}f", *values)
    path.write_bytes(data)


class NotFinite(programs.ProgramTest):
    """"good" is a run; "bad" is the same with three such values, which short texts do not use."""

    STEPS = 3

    def setUp(self):
        super().setUp()
        self.finish("good")
        self.ripieno("convert", "good", "bad.safetensors", "--names", "ours", "--all")
        write_values(self.directory / "bad.safetensors", "positions.weight", [float("nan"), float("inf")])
        write_values(self.directory / "bad.safetensors", "first_moment/blocks.0.up.weight", [float("-inf")])
        self.made = self.ripieno("convert", "bad.safetensors", "bad")
        (self.checkpoint,) = self.checkpoints("bad")

    def ripieno(self, *arguments, status=0):
        ended = subprocess.run([str(programs.BIN / "ripieno"), *map(str, arguments)], capture_output=True, text=True,
                               timeout=600, cwd=self.directory)
        self.assertEqual((ended.returncode, ended.stderr), (status, ""))
        return ended.stdout

    def generate(self, run):
        ended = subprocess.run([str(programs.BIN / "generate"), run, "--prompt", "a", "--tokens", "3"],
                               capture_output=True, text=True, timeout=600, cwd=self.directory)
        self.assertEqual(ended.returncode, 65, ended.stderr)
        self.assertRegex(ended.stderr, r"\Agenerate: [^\n]+; use an earlier checkpoint\n\Z")
        return ended

    def test_convert_counts_them_per_tensor(self):
        self.assertTrue(self.made.endswith(IN_MOMENT + IN_PARAMETER), self.made)
        for to in (["x.safetensors", "--names", "ours"], ["x", "--to", "numpy"]):
            written = self.ripieno("convert", "bad", *to)
            self.assertTrue(written.endswith("/s\n" + IN_PARAMETER), written)
        self.assertIn("parameter transformer.wpe.weight: 2 elements are", self.ripieno("convert", "bad", "y"))
        self.assertEqual(self.ripieno("convert", "bad", "z", "--quiet"), "")
        self.assertNotIn("NaN", self.ripieno("convert", "good", "good.safetensors"))

    def test_convert_counts_infinities_from_rounding(self):
        self.ripieno("convert", "good", "large.safetensors", "--names", "ours")
        write_values(self.directory / "large.safetensors", "norm.bias", [1e6])
        rounded = self.ripieno("convert", "large.safetensors", "half.safetensors", "--dtype", "float16")
        self.assertTrue(rounded.endswith("parameter norm.bias: 1 element is NaN or infinite\n"), rounded)

    def test_verify_reports_an_intact_checkpoint_with_such_values(self):
        for path in ("bad", self.checkpoint):
            verified = self.ripieno("verify", path)
            self.assertIn("is intact, but has NaN or infinite elements: ", verified)
            self.assertTrue(verified.endswith(IN_MOMENT + IN_PARAMETER), verified)
        self.assertIn("positions.weight: 2 elements are", self.ripieno("verify", "bad.safetensors"))
        self.assertEqual(self.ripieno("verify", "bad", "--quiet"), "")
        self.assertNotIn("finite", self.ripieno("verify", "good"))

    def test_inspect_counts_them_in_the_list_and_per_tensor(self):
        self.assertIn("whole, but 3 elements NaN or infinite\n", self.ripieno("inspect", "bad"))
        self.assertTrue(self.ripieno("inspect", self.checkpoint).endswith("\nnot finite\n" + IN_MOMENT + IN_PARAMETER))
        tensors = json.loads(self.ripieno("inspect", self.checkpoint, "--json"))["tensors"]
        self.assertEqual({tensor["name"]: tensor["not_finite"] for tensor in tensors if "not_finite" in tensor},
                         {"positions.weight": 2, "first_moment/blocks.0.up.weight": 1})
        self.assertNotIn("finite", self.ripieno("inspect", "good"))

    def test_diff_reports_which_side_has_them(self):
        compared = self.ripieno("diff", "good", "bad", status=1)
        self.assertRegex(compared, r"positions.weight +2 of 128 differ, max \|a-b\| inf, relative inf\n")
        self.assertIn("\nnot finite in B:\n" + IN_MOMENT + IN_PARAMETER, compared)
        self.assertNotIn("finite in A", compared)
        same = self.ripieno("diff", "bad", "bad")  # the same bits
        for side in ("A", "B"):
            self.assertIn(f"not finite in {side}:\n{IN_MOMENT}{IN_PARAMETER}", same)

    def test_generate_refuses_the_checkpoint(self):
        ended = self.generate("bad")
        self.assertIn("bad/checkpoints/step_00000003: 2 of 128 elements of parameter positions.weight", ended.stderr)
        self.assertEqual(ended.stdout, "")

    def test_generate_fails_if_finite_parameters_compute_infinite_values(self):
        self.ripieno("convert", "good", "large.safetensors", "--names", "ours", "--all")
        write_values(self.directory / "large.safetensors", "norm.weight", [3e38] * 8)
        self.ripieno("convert", "large.safetensors", "large")
        self.assertIn("the logits of the model are not finite", self.generate("large").stderr)


if __name__ == "__main__":
    unittest.main()
