"""Checks that CMake finds headers and libraries of NVIDIA's Python packages.

Usage: nvidia_packages_test.py CMAKE SOURCE_FOLDER
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CMAKE, SOURCE = sys.argv.pop(1), pathlib.Path(sys.argv.pop(1))

SCRIPT = """
include({module})
ripieno_find_nvidia(SOME some some_header.h libsome.so.2)
message("${{SOME_INCLUDE_DIR}}|${{SOME_FILE}}")
"""


class NvidiaPackages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.package = self.root / "env/lib/python3.11/site-packages/nvidia/some"
        for path in ("include/some_header.h", "lib/libsome.so.2"):
            (self.package / path).parent.mkdir(parents=True)
            (self.package / path).touch()

    def found(self, **environment):
        """(folder of the header, library) that a configuration in this environment finds."""
        script = self.root / "find.cmake"
        script.write_text(SCRIPT.format(module=SOURCE / "cmake/RipienoNvidia.cmake"))
        done = subprocess.run([CMAKE, "-P", script], env={"HOME": str(self.root / "home"), **environment},
                              capture_output=True, text=True, check=True)
        return done.stderr.strip().split("|")

    def assert_found(self, **environment):
        self.assertEqual(self.found(**environment),
                         [str(self.package / "include"), str(self.package / "lib/libsome.so.2")])

    def test_are_found_in_the_active_environment(self):
        self.assert_found(VIRTUAL_ENV=str(self.root / "env"))
        self.assert_found(CONDA_PREFIX=str(self.root / "env"))

    def test_are_found_beside_the_python_in_the_path(self):
        (self.root / "env/bin").mkdir()
        (self.root / "env/bin/python3").touch()
        self.assert_found(PATH=f"{self.root / 'none'}:{self.root / 'env/bin'}:{os.environ['PATH']}")

    def test_are_found_in_given_folders(self):
        self.assert_found(RIPIENO_NVIDIA_LIBRARIES=f"/none:{self.package.parent}")
        self.assert_found(RIPIENO_NVIDIA_LIBRARIES=str(self.package.parent.parent))

    def test_without_the_package_only_the_name_of_the_library_is_known(self):
        header, library = self.found()
        self.assertTrue(header.endswith("NOTFOUND"), header)
        self.assertEqual(library, "libsome.so.2")


if __name__ == "__main__":
    unittest.main()
