#!/usr/bin/env python3
"""Runs ctest and counts test cases.

    scripts/run_tests.py BUILD_FOLDER [ARGUMENTS OF CTEST]

If the build has the library that records exceptions, their messages are compared with
tests/messages.txt (scripts/write_messages.py); new ones count as one failed case.

A ctest test may be a GoogleTest suite with many cases (tests/suites.cmake), which are counted
individually. Skipped cases are listed with the reason, and the last line has the counts. The exit
status is that of ctest.
"""
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

CASE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] .*\(\d+ ms\)$", re.M)
REASON = re.compile(r": Skipped\n(.*)")


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.reasons = collections.Counter()

    def add_suite(self, output, has_passed):
        results = collections.Counter(match[1] for match in CASE.finditer(output))
        self.passed += results["OK"]
        self.skipped += results["SKIPPED"]
        # A failed suite without a failed case has crashed or timed out.
        self.failed += max(results["FAILED"], 0 if has_passed else 1)
        self.reasons.update(match[1].strip() for match in REASON.finditer(output))

    def add_test(self, name, status, skipped_for):
        if skipped_for in ("", "Unable to find executable") or status == "fail":
            self.failed += 1
        elif status == "notrun":
            self.skipped += 1
            self.reasons[name] += 1
        else:
            self.passed += 1

    def __str__(self):
        reasons = "".join(f"Skipped, {count}: {reason}\n" for reason, count in sorted(self.reasons.items()))
        return f"{reasons}{self.passed} cases passed, {self.failed} failed, {self.skipped} skipped"


def suites_of(build):
    """The names of the suites in ctest, without the layer."""
    return {suite.removesuffix("/*") for path in (build / "bin").glob("*.suites")
            for suite in path.read_text().split(";")}


def count(results, suites):
    counts = Counts()
    for test in xml.parse(results).iter("testcase"):
        name, status = test.get("name"), test.get("status")
        skipped = test.find("skipped")
        if status in ("run", "fail") and name.partition(".")[2] in suites:
            counts.add_suite(test.findtext("system-out") or "", status == "run")
        else:
            counts.add_test(name, status, None if skipped is None else skipped.get("message"))
    return counts


def recording(build):
    """The environment in which tests record the messages of exceptions, or None."""
    library, messages = build / "lib/librecord_messages.so", build / "messages.tsv"
    if not library.exists():
        return None
    messages.unlink(missing_ok=True)
    return {**os.environ, "LD_PRELOAD": str(library.resolve()), "RIPIENO_MESSAGES": str(messages.resolve())}


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1])
    environment = recording(build)
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder) / "results.xml"
        whole = str(1 << 30)
        status = subprocess.run(["ctest", *sys.argv[2:], "--output-junit", str(results), "--test-output-size-passed", whole,
                                 "--test-output-size-failed", whole], env=environment).returncode
        counts = count(results, suites_of(build)) if results.exists() else Counts()
    if environment:
        check = subprocess.run([sys.executable, pathlib.Path(__file__).with_name("write_messages.py"), build, "--check"])
        if check.returncode:
            counts.failed += 1
        else:
            counts.passed += 1
    print(counts, flush=True)
    return status or int(counts.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
