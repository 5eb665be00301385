#!/usr/bin/env python3
"""scripts/check_layers.py rejects wrong includes. Each test writes a tree with one of them."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "scripts/check_layers.py"


class Layers(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for path, included in files.items():
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"#include {included}\n")
            done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
            return done.returncode, done.stdout

    def rejects(self, message, files):
        status, text = self.check(files)
        self.assertEqual(status, 1, text)
        self.assertIn(message, text)

    def test_allowed_includes_pass(self):
        self.assertEqual(self.check({"core/ops/matmul.cpp": '"ripieno/core/tensor.h"',
                                     "core/tensor.cpp": '"ripieno/core/device/memory.h"'})[0], 0)

    def test_a_higher_layer(self):
        self.rejects("core must not include io", {"core/tensor.cpp": '"ripieno/io/part.h"'})

    def test_a_higher_folder_of_the_same_layer(self):
        self.rejects("core/device/memory.h:1: core/device must not include core",
                     {"core/device/memory.h": '"ripieno/core/tensor.h"'})

    def test_each_dependency_reversed(self):
        for lower, upper in (("kernels/cpu/support", "kernels/cpu"), ("kernels/cuda/runtime", "kernels/cuda/products"),
                             ("core/ops", "core/nn"), ("core/nn", "core/models"), ("core/arena", "core/optim"),
                             ("distributed/communicators", "distributed/gradients"),
                             ("distributed/gradients", "distributed/strategies"), ("io/files", "io/formats"),
                             ("io/run", "io/checkpoint"), ("training/settings", "training/run"),
                             ("tools/sources", "tools/convert")):
            self.rejects(f"{lower} must not include {upper}", {f"{lower}/a.cpp": f'"ripieno/{upper}/b.h"'})

    def test_an_unlisted_folder(self):
        self.rejects("core/misc is missing from FOLDERS", {"core/misc/a.h": '"ripieno/core/tensor.h"'})

    def test_a_cycle(self):
        self.rejects("cycle: core/a -> core/b -> core/a",
                     {"core/a.cpp": '"ripieno/core/b.h"', "core/b.h": '"ripieno/core/a.h"'})

    def test_a_library_outside_its_folder(self):
        self.rejects("<mpi.h> may be included only in", {"distributed/gradients/sum.cpp": "<mpi.h>"})


if __name__ == "__main__":
    unittest.main()
