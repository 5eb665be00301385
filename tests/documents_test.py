#!/usr/bin/env python3
"""scripts/check_documents.py accepts and rejects the lines that it should."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "scripts/check_documents.py"


class Documents(unittest.TestCase):
    def check(self, line):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder, "page.md")
            page.write_text(f"# Title\n{line}\n", encoding="utf-8")
            ended = subprocess.run([sys.executable, SCRIPT, page], capture_output=True, text=True)
            return ended.returncode, ended.stdout

    def test_a_line_of_100_characters_is_accepted(self):
        self.assertEqual(self.check("é" * 100)[0], 0)

    def test_a_longer_line_is_rejected_with_its_number(self):
        status, text = self.check("x" * 101)
        self.assertEqual(status, 1)
        self.assertIn("page.md:2: 101 columns, must be at most 100", text)

    def test_table_rows_and_urls_may_be_longer(self):
        self.assertEqual(self.check("| " + "x" * 200 + " |")[0], 0)
        self.assertEqual(self.check("see https://example.org/" + "x" * 200)[0], 0)


if __name__ == "__main__":
    unittest.main()
