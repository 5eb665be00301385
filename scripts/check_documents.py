#!/usr/bin/env python3
"""Fails if a line of a document is longer than 100 columns.

    scripts/check_documents.py [FILE ...]

FILE: README.md, CONTRIBUTING.md, CHANGELOG.md and all pages of docs/ by default.

Rows of tables (lines that begin with "|") may be longer, and URLs do not count.
"""
import os
import pathlib
import re
import subprocess
import sys

COLUMNS = 100
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md"]
URL = re.compile(r"https?://[^\s)>]+")


def documents():
    os.chdir(pathlib.Path(__file__).resolve().parents[1])
    listed = subprocess.run(["git", "ls-files", "-z", "--", *DOCUMENTS], capture_output=True,
                            text=True, check=True)
    return listed.stdout.rstrip("\0").split("\0")


def long_lines(path):
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith("|") and len(URL.sub("", line)) > COLUMNS:
            yield f"{path}:{number}: {len(line)} columns, must be at most {COLUMNS}"


def main():
    if sys.argv[1:] == ["--help"]:
        print(__doc__.strip())
        return 0
    found = [line for path in sys.argv[1:] or documents() for line in long_lines(path)]
    print("\n".join(found) or f"documents: no line is longer than {COLUMNS} columns")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
