#!/usr/bin/env python3
"""The `ripieno` command on checkpoints of train_gpt. Python libraries read back what it writes."""
import json
import os
import struct
import subprocess
import sys
import unittest

try:
    import h5py
    import numpy
except ImportError:  # this python3 lacks the system's packages; the system's own has them
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    raise unittest.SkipTest("no python3-h5py")

from programs import BIN, MPIRUN, ProgramTest


def read_safetensors(path):
    """An independent decoder. Returns name -> (element type, shape, bytes), and the metadata."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    numbers = data[8 + length :]
    tensors = {}
    for name, described in header.items():
        begin, end = described["data_offsets"]
        tensors[name] = described["dtype"], tuple(described["shape"]), numbers[begin:end]
    return tensors, metadata


def as_bfloat16(values):
    """Rounded to nearest, ties to even, as 16-bit integers."""
    bits = values.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


class Command(ProgramTest):
    STEPS = 20

    def setUp(self):
        super().setUp()
        self.finish("run", ranks=2 if MPIRUN else 0)
        self.checkpoint = self.checkpoints("run")[-1]
        with h5py.File(self.checkpoint / "checkpoint.h5") as view:
            names = []
            view["parameters"].visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
            self.parameters = {name: view["parameters"][name][()] for name in names}

    def test_exits_with_74_if_its_output_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            ended = subprocess.run([str(BIN / "ripieno"), "inspect", str(self.checkpoint)], stdout=full,
                                   stderr=subprocess.PIPE, text=True, timeout=600)
        self.assertEqual(ended.returncode, 74, ended.stderr)
        self.assertIn("standard output", ended.stderr)

    def ripieno(self, *arguments, status=0):
        ended = subprocess.run([str(BIN / "ripieno"), *map(str, arguments)], capture_output=True, text=True,
                               timeout=600, cwd=self.directory)
        self.assertEqual(ended.returncode, status, ended.stdout + ended.stderr)
        if status >= 64:
            self.assertRegex(ended.stderr, r"\Aripieno: [^\n]+\n\Z")
        return ended.stderr if status >= 64 else ended.stdout

    def generate(self, run):
        return subprocess.run([str(BIN / "generate"), str(self.directory / run), "--prompt", "a", "--tokens", "20"],
                              capture_output=True, text=True, check=True, timeout=600).stdout

    def test_safetensors_have_the_same_content_as_the_hdf5_view(self):
        self.ripieno("convert", "run", "x.safetensors", "--names", "ours")
        tensors, metadata = read_safetensors(self.directory / "x.safetensors")
        self.assertEqual(metadata["format"], "pt")
        self.assertEqual(tensors.keys(), self.parameters.keys())
        for name, (dtype, shape, numbers) in tensors.items():
            self.assertEqual((dtype, shape), ("F32", self.parameters[name].shape))
            self.assertEqual(numbers, self.parameters[name].tobytes(), name)

    def test_hugging_face_names_are_used_and_conv1d_weights_transposed(self):
        self.ripieno("convert", "run", "gpt2")
        tensors, _ = read_safetensors(self.directory / "gpt2" / "model.safetensors")
        config = json.loads((self.directory / "gpt2" / "config.json").read_text())
        self.assertEqual((config["model_type"], config["n_head"], config["n_positions"]), ("gpt2", 2, 16))
        self.assertEqual(tensors["transformer.h.0.mlp.c_fc.weight"][2],
                         numpy.ascontiguousarray(self.parameters["blocks.0.up.weight"].T).tobytes())
        self.assertEqual(tensors["transformer.wte.weight"][2], self.parameters["tokens.weight"].tobytes())
        self.assertNotIn("lm_head.weight", tensors)

    def test_a_round_trip_preserves_every_bit_and_the_generated_text(self):
        self.ripieno("convert", "run", "gpt2", "--shard-bytes", "1000")
        self.ripieno("convert", "gpt2", "back")
        self.assertIn("0 different, 0 only in A, 0 only in B",
                      self.ripieno("diff", "run", "back", "--parameters"))
        self.ripieno("diff", "back", "gpt2")
        self.ripieno("verify", "back")
        self.assertEqual(self.generate("back"), self.generate("run"))

    def test_bfloat16_is_rounded_to_nearest_even(self):
        self.ripieno("convert", "run", "x.safetensors", "--names", "ours", "--dtype", "bfloat16")
        tensors, _ = read_safetensors(self.directory / "x.safetensors")
        for name, (dtype, _, numbers) in tensors.items():
            self.assertEqual(dtype, "BF16")
            self.assertEqual(numbers, as_bfloat16(self.parameters[name]).tobytes(), name)

    def test_numpy_reads_the_npy_files(self):
        self.ripieno("convert", "run", "arrays", "--to", "numpy")
        for name, values in self.parameters.items():
            read = numpy.load(self.directory / "arrays" / f"{name}.npy", mmap_mode="r")
            self.assertEqual((read.dtype, read.shape), (values.dtype, values.shape))
            numpy.testing.assert_array_equal(read, values)

    def test_a_round_trip_with_all_can_be_resumed(self):
        self.ripieno("convert", "run", "x.safetensors", "--names", "ours", "--all")
        self.ripieno("convert", "x.safetensors", "back")
        self.ripieno("diff", "run", "back")
        longer = self.finish("back", "--steps", "30", "--set", "schedule.steps=30")
        self.assertEqual(min(longer), 21)

    def test_inspect_lists_checkpoints_and_tensors(self):
        listed = json.loads(self.ripieno("inspect", "run", "--json"))
        self.assertEqual([entry["step"] for entry in listed], [20, 10])
        inspected = json.loads(self.ripieno("inspect", self.checkpoint, "--json"))
        self.assertEqual(inspected["step"], 20)
        self.assertEqual({tensor["name"] for tensor in inspected["tensors"] if tensor["kind"] == "parameter"},
                         self.parameters.keys())
        self.assertIn("blocks.0.up.weight", self.ripieno("inspect", self.checkpoint, "--tensors", "*.up.*"))

    def test_verify_names_the_damaged_file(self):
        self.assertIn("is intact", self.ripieno("verify", self.checkpoint))
        shard = sorted(self.checkpoint.glob("shard_*"))[-1]
        data = bytearray(shard.read_bytes())
        data[-1] ^= 1
        shard.write_bytes(data)
        self.assertIn(shard.name, self.ripieno("verify", self.checkpoint, status=65))
        self.assertIn(shard.name, self.ripieno("verify", "run", status=65))
        self.ripieno("verify", "run/checkpoints/step_00000010")

    def test_empty_words_are_refused(self):
        for arguments in (["explain", ""], ["watch", ""], ["rerun", ""], ["runs", ""], ["report", ""], ["inspect", ""],
                          ["verify", ""], ["diff", "", ""], ["plan", ""], ["doctor", "--run", ""]):
            self.assertIn("must not be empty", self.ripieno(*arguments, status=64), arguments)

    def test_verify_fails_without_a_whole_checkpoint(self):
        (self.directory / "cut" / "checkpoints" / "step_00000009.partial").mkdir(parents=True)
        self.assertIn("there is no whole checkpoint", self.ripieno("verify", "cut", status=65))

    def test_a_damaged_checkpoint_is_not_converted(self):
        piece = json.loads((self.checkpoint / "manifest.json").read_text())["tensors"][0]["pieces"][0]
        shard = self.checkpoint / piece["file"]
        data = bytearray(shard.read_bytes())
        data[piece["file_offset"]] ^= 1
        shard.write_bytes(data)
        self.assertIn("is damaged", self.ripieno("convert", self.checkpoint, "gpt2", status=65))
        self.assertFalse((self.directory / "gpt2").exists() or (self.directory / "gpt2.partial").exists())

    def test_diff_reports_how_much_checkpoints_differ(self):
        first, last = self.checkpoints("run")
        self.assertIn("differ, max |a-b|", self.ripieno("diff", first, last, status=1))
        self.ripieno("diff", first, last, "--tolerance", "1000")
        self.ripieno("diff", last, last)
        self.assertEqual(self.ripieno("diff", first, last, "--quiet", status=1), "")

    def test_bad_usage_is_reported_on_one_line(self):
        for arguments in [(), ("inspekt",), ("inspect",), ("inspect", "nothing"), ("inspect", self.directory),
                          ("convert", "run", "x", "--dtype", "int32"), ("convert", "run", "x", "--dtype", "f8"),
                          ("convert", "run", "x", "--to", "onnx"), ("convert", "run", "x", "--names", "huggingface", "--all"),
                          ("convert", "run", "run", "--to", "checkpoint")]:
            with self.subTest(arguments):
                self.ripieno(*arguments, status=64)

    def test_nothing_is_replaced_without_force(self):
        self.ripieno("convert", "run", "x.safetensors")
        self.assertIn("--force", self.ripieno("convert", "run", "x.safetensors", status=64))
        self.ripieno("convert", "run", "x.safetensors", "--force")


if __name__ == "__main__":
    unittest.main()
