#!/usr/bin/env python3
"""Every C++ snippet of README.md and docs/ is part of a program that is compiled and run: a source
of this folder or of examples/ contains its lines, possibly with another indentation.

The pages docs/add_a*.md are excluded, since their snippets change the source tree.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SNIPPET = re.compile(r"^ *```cpp\n(.*?)^ *```$", re.M | re.S)


def without_indentation(text):
    return "\n".join(["", *(line.lstrip() for line in text.splitlines()), ""])


def pages():
    yield ROOT / "README.md"
    for page in sorted((ROOT / "docs").glob("*.md")):
        if not page.name.startswith("add_a"):
            yield page


def main():
    sources = [without_indentation(path.read_text(encoding="utf-8"))
               for folder in ("tests/documents", "examples") for path in (ROOT / folder).glob("*.cpp")]
    missing = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for snippet in SNIPPET.finditer(text):
            if not any(without_indentation(snippet[1]) in source for source in sources):
                line = text.count("\n", 0, snippet.start(1)) + 1
                missing.append(f"{page.relative_to(ROOT)}:{line}: no source in tests/documents or examples "
                               "contains this snippet; copy it there")
    return "\n".join(missing) or 0


if __name__ == "__main__":
    sys.exit(main())
