#!/usr/bin/env python3
"""scripts/gpu_check.sh and its stages, with programs that only record how they are called."""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
STAGES = sorted((SCRIPTS / "gpu").glob("[a-z][0-9]_*.sh"))


class Project(unittest.TestCase):
    """A folder without git that has the scripts and one source file."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ripieno_"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "scripts/gpu").mkdir(parents=True)
        (self.folder / "bin").mkdir()
        (self.folder / "build").mkdir()
        for name in ("gpu_check.sh", "hash_sources.sh", "gpu/environment.sh"):
            shutil.copy(SCRIPTS / name, self.folder / "scripts" / name)
        self.source = self.folder / "kernel.cu"
        self.source.write_text("old")

    def program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def run_script(self, *command, **variables):
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", **variables}
        return subprocess.run(
            ["bash", *map(str, command)],
            cwd=self.folder,
            env=environment,
            text=True,
            timeout=600,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


class Runner(Project):
    def setUp(self):
        super().setUp()
        for name in ("a1_probe", "a2_build", "a3_smoke", "b1_tests", "c1_sanitizer"):
            self.stage(name)

    def stage(self, name, action="true", limit=60):
        path = self.folder / f"scripts/gpu/{name}.sh"
        path.write_text(
            f"#!/usr/bin/env bash\n# Check something; at most {limit} s.\n"
            f"echo {name} >>build/ran\n{action}\n"
        )

    def check(self, *arguments):
        """Returns the exit status and the stages that ran."""
        ran = self.folder / "build/ran"
        ran.write_text("")
        self.ended = self.run_script("scripts/gpu_check.sh", *arguments)
        return self.ended.returncode, ran.read_text().split()

    def state_of(self, stage):
        listing = self.run_script("scripts/gpu_check.sh", "--list").stdout
        return re.search(rf"^(\w*) +\w\d {stage} ", listing, re.M)[1]

    ALL = ["a1_probe", "a2_build", "a3_smoke", "b1_tests", "c1_sanitizer"]

    def test_skips_what_passed_but_never_the_build(self):
        self.assertEqual(self.check(), (0, self.ALL))
        self.assertEqual(self.check(), (0, ["a2_build"]))
        self.assertEqual(self.check("--again"), (0, self.ALL))

    def test_repeats_every_stage_after_a_fix_without_git(self):
        self.check()
        self.source.write_text("new")
        self.assertEqual(self.state_of("tests"), "earlier")
        self.assertEqual(self.check(), (0, self.ALL))
        self.assertEqual(self.state_of("tests"), "done")

    def test_stops_after_a_failed_smoke(self):
        self.stage("a3_smoke", "exit 3")
        self.assertEqual(self.check(), (3, self.ALL[:3]))
        self.assertEqual(self.state_of("smoke"), "failed")
        self.assertEqual(self.check("b"), (3, ["a2_build", "a3_smoke"]))

    def test_continues_after_another_failure(self):
        self.stage("b1_tests", "exit 5")
        self.assertEqual(self.check(), (5, self.ALL))

    def test_runs_a_phase_or_stage_after_build_and_smoke(self):
        self.assertEqual(self.check("b", "sanitizer"), (0, self.ALL[1:]))

    def test_a_stage_that_cannot_run_here_is_not_done(self):
        self.stage("c1_sanitizer", "exit 77")
        self.assertEqual(self.check()[0], 0)
        self.assertEqual(self.state_of("sanitizer"), "skipped")
        self.assertEqual(self.check(), (0, ["a2_build", "c1_sanitizer"]))

    def test_a_stage_ends_at_its_limit(self):
        self.stage("b1_tests", "sleep 15", limit=1)
        self.assertEqual(self.check(), (124, self.ALL))

    def test_an_unknown_stage_is_bad_usage(self):
        self.assertEqual(self.check("smoek"), (64, []))
        self.assertIn("unknown stage or option smoek", self.ended.stdout)

    def test_packs_logs_and_algorithms(self):
        self.stage(
            "b1_tests",
            'mkdir -p "$RIPIENO_CACHE_DIR" && echo chosen >"$RIPIENO_CACHE_DIR/matmul.txt"',
        )
        self.check()
        names = tarfile.open(self.folder / "build/gpu_check/take_home.tar.gz").getnames()
        self.assertLessEqual(
            {"gpu/cache/matmul.txt", "gpu/smoke.log", "gpu/smoke.done"}, set(names)
        )


class Stages(unittest.TestCase):
    def test_each_has_a_description_and_a_time_limit(self):
        for path in STAGES:
            self.assertRegex(
                path.read_text().splitlines()[1], r"^# [A-Z].*; at most \d+ s\.$", path.name
            )

    def test_each_is_valid_shell(self):
        for path in STAGES:
            subprocess.run(["bash", "-n", path], check=True)


class Sanitizer(Project):
    TOOLS = ["memcheck", "racecheck", "synccheck", "initcheck"]

    def run_stage(self, sanitizer):
        self.program("compute-sanitizer", f'echo "$*" >>{self.folder}/calls\n{sanitizer}')
        ended = self.run_script(SCRIPTS / "gpu/c1_sanitizer.sh", EMULATED="", BIN="bin")
        return ended.returncode, (self.folder / "calls").read_text().splitlines()

    def test_checks_only_our_kernels_with_each_tool(self):
        status, calls = self.run_stage("exit 0")
        self.assertEqual(status, 0)
        self.assertEqual([call.split()[1] for call in calls[1:]], self.TOOLS)
        for call in calls:
            self.assertIn("--kernel-name kernel_substring=ripieno --error-exitcode 9", call)

    def test_is_skipped_where_the_tool_does_not_work(self):
        status, calls = self.run_stage("exit 255")
        self.assertEqual((status, len(calls)), (77, 1))

    def test_fails_if_the_probe_finds_an_error(self):
        self.assertEqual(self.run_stage("exit 9")[0], 9)

    def test_fails_if_one_tool_finds_an_error_and_runs_the_others(self):
        status, calls = self.run_stage("[[ $2 != racecheck ]] || exit 9")
        self.assertEqual((status, len(calls)), (1, 5))


if __name__ == "__main__":
    unittest.main()
