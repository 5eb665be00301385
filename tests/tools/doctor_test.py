#!/usr/bin/env python3
"""`ripieno doctor` on this host, with faults that are injected one by one."""
import json
import os
import subprocess
import time
import unittest

import programs

RIPIENO = str(programs.BIN / "ripieno")
LIMIT_SECONDS = 30


class Doctor(programs.ProgramTest):
    def doctor(self, *arguments, prefix=(), environment=None, **options):
        """(status, findings) of `ripieno doctor --json`, which must end within its limit."""
        command = [*map(str, prefix), RIPIENO, "doctor", "--json", *map(str, arguments)]
        started = time.monotonic()
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=self.directory,
                               env={**os.environ, **(environment or {})}, **options)
        seconds = time.monotonic() - started
        self.assertIn(ended.returncode, (0, 78), ended.stderr)
        report = json.loads(ended.stdout)
        self.assertLess(report["seconds"], LIMIT_SECONDS)
        print(f"{seconds:.1f} s: {[f['code'] for f in report['findings'] if f['code']]}")
        problems = [finding for finding in report["findings"] if finding["severity"] == "problem"]
        self.assertEqual(ended.returncode, 78 if problems else 0, report)
        return ended.returncode, report["findings"]

    def assert_found(self, code, *arguments, text=".", severity="problem", **options):
        """That this finding is there, with a remedy."""
        findings = self.doctor(*arguments, **options)[1]
        found = [finding for finding in findings if finding["code"] == code]
        self.assertTrue(found, findings)
        self.assertEqual(found[0]["severity"], severity)
        self.assertTrue(found[0]["remedy"] and found[0]["why"], found)
        self.assertRegex(found[0]["what"] + found[0]["where"], text)

    def mounted(self, options):
        """A tmpfs."""
        disk = self.directory / "disk"
        disk.mkdir()
        tried = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, text=True)
        if tried.returncode != 0:
            self.skipTest(f"cannot mount a file system: {tried.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        return disk

    def program(self, name, text):
        """A program of that name, first in PATH. Returns the environment."""
        folder = self.directory / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("#!/bin/sh\n" + text)
        (folder / name).chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    def test_checks_configuration_data_and_storage_and_leaves_nothing(self):
        before = sorted(self.directory.rglob("*"))
        findings = self.doctor(self.configuration)[1]
        subjects = {finding["subject"]: finding["severity"] for finding in findings}
        for subject in ("data", "storage", "clock"):
            self.assertEqual(subjects[subject], "ok", findings)
        self.assertEqual(sorted(self.directory.rglob("*")), before)

    def test_a_full_disk(self):
        disk = self.mounted("size=1m")
        with open(disk / "file", "wb", buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(bytes(4096))
        self.assert_found("D-STO-03", "--run", disk, text="0 B free, .* required")

    def test_a_disk_without_room_for_two_checkpoints(self):
        disk = self.mounted("size=100m")
        self.doctor(self.configuration, "--run", disk)
        large = self.configuration.read_text().replace("channels = 8", "channels = 512")
        self.configuration.write_text(large.replace("layers = 1", "layers = 4"))
        self.assert_found("D-STO-03", self.configuration, "--run", disk)

    def test_a_read_only_file_system(self):
        self.assert_found("D-STO-02", "--run", self.mounted("ro"), text=str(self.directory))

    def test_a_directory_of_another_user(self):
        self.directory.chmod(0o755)
        closed = self.directory / "closed"
        closed.mkdir(0o555)
        user = {}
        if os.geteuid() == 0:
            user = {"user": 65534, "group": 65534, "extra_groups": []}
            try:
                subprocess.run([RIPIENO, "--version"], capture_output=True, check=True, **user)
            except (PermissionError, subprocess.CalledProcessError):
                self.skipTest("another user cannot execute the program")
        self.assert_found("D-STO-01", "--run", closed, text="may not write", **user)

    def test_damaged_data(self):
        archive = self.directory / "text.zip"
        archive.write_bytes(b"PK\x03\x04" + bytes(1000))
        self.assert_found("D-DAT-02", "--data", archive, text="text.zip")
        (self.directory / "tokens.bin").write_bytes(b"RIPTOKEN" + bytes(100))
        self.assert_found("D-DAT-02", "--data", self.directory / "tokens.bin", text="tokens.bin")
        self.assert_found("D-DAT-01", "--data", self.directory / "none", text="none")

    def test_data_that_never_ends(self):
        pipe = self.directory / "pipe"
        os.mkfifo(pipe)
        self.assert_found("D-DAT-05", "--data", pipe)

    def test_a_vocabulary_that_is_too_small(self):
        self.configuration.write_text(self.configuration.read_text().replace("[model]", "[model]\nvocab = 2"))
        self.assert_found("D-DAT-03", self.configuration, text="4 tokens, model.vocab is 2")

    def test_a_configuration_with_an_unknown_key(self):
        self.configuration.write_text(self.configuration.read_text() + "\n[train2]\nx = 1\n")
        self.assert_found("D-CFG-01", self.configuration, text="train2")

    def test_a_rule_of_an_alert_that_does_not_parse(self):
        self.configuration.write_text(self.configuration.read_text() + '\n[alerts]\nrules = ["los > 8"]\n')
        self.assert_found("D-CFG-01", self.configuration, text="unknown metric los")

    def test_an_address_that_does_not_parse(self):
        self.configuration.write_text(
            self.configuration.read_text() + '\n[metrics]\nprometheus_address = "here"\n')
        self.assert_found("D-CFG-01", self.configuration, text="prometheus_address")

    def test_less_data_than_the_context_requires(self):
        (self.directory / "text.txt").write_text("abc")
        self.assert_found("D-DAT-06", self.configuration, text="a context of 16 requires at least 17")

    def test_empty_data(self):
        (self.directory / "text.txt").write_text("")
        findings = self.doctor(self.configuration)[1]
        self.assertEqual(["D-DAT-06"], [finding["code"] for finding in findings if finding["severity"] == "problem"])
        self.assertNotIn("vocab", json.dumps(findings))

    def test_a_configuration_that_does_not_exist(self):
        findings = self.doctor("nowhere.toml")[1]
        self.assertIn("D-CFG-01", [finding["code"] for finding in findings])
        self.assertNotIn("no file is given", json.dumps(findings))

    def test_a_file_as_run_directory(self):
        self.assert_found("D-STO-08", "--run", self.configuration)

    def test_a_host_name_that_does_not_resolve(self):
        (self.directory / "hosts").write_text("no-such-host.invalid slots=1\n")
        findings = self.doctor("--hostfile", "hosts")[1]
        found = [finding for finding in findings if finding["code"] in ("D-NAME-01", "D-NAME-04")]
        self.assertTrue(found, findings)
        self.assertIn("no-such-host.invalid", found[0]["what"])

    @programs.needs_mpi
    def test_an_mpirun_of_another_mpi(self):
        other = self.program("mpirun", "echo 'mpirun (Open MPI) 5.0.1'\n")
        self.assert_found("D-MPI-01", environment=other, text="5.0.1")

    @programs.needs_mpi
    def test_a_rank_that_finds_itself_alone(self):
        variables = {"PMI_SIZE": "2", "PMI_RANK": "0"}
        self.assert_found("D-MPI-01", environment=variables, text="started 2 ranks, but .* a world size of 1")

    def test_a_gpu_with_memory_errors(self):
        fake = self.program("nvidia-smi", "echo '3, NVIDIA H100, 2, Not Active, Not Active'\n")
        self.assert_found("D-GPU-05", environment=fake, text="GPU 3 .* 2 uncorrected")

    def namespace(self, *what, setup):
        """Words that execute a command after `setup` in namespaces of its own."""
        tried = subprocess.run(["unshare", *what, "sh", "-e", "-c", setup], capture_output=True, text=True)
        if tried.returncode != 0:
            self.skipTest(f"namespaces are not allowed: {tried.stderr.strip()}")
        return ["unshare", *what, "sh", "-e", "-c", setup + '\nexec "$@"', "sh"]

    def test_64_megabytes_of_shared_memory(self):
        small = self.namespace("--mount", setup="mount -t tmpfs -o size=64m tmpfs /dev/shm")
        self.assert_found("D-LIM-01", prefix=small, text="67.1 MB free")

    def test_docker0_before_other_interfaces(self):
        setup = """ip link add docker0 type bridge
                   ip addr add 172.17.0.1/16 dev docker0
                   ip link set docker0 up
                   ip link add eth0 type veth
                   ip addr add 10.9.8.7/24 dev eth0
                   ip link set eth0 up"""
        words = self.namespace("--net", setup=setup)
        self.assert_found("D-NET-01", prefix=words, severity="warning", text=r"docker0 \(172.17.0.1/16\)")

    def test_text_has_the_problem_last(self):
        ended = subprocess.run([RIPIENO, "doctor", "--data", "none"], capture_output=True, text=True, timeout=120,
                               cwd=self.directory)
        self.assertEqual(ended.returncode, 78, ended.stderr)
        lines = ended.stdout.splitlines()
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertRegex(lines[-1], "problem")
        self.assertIn("D-DAT-01", ended.stdout)

    def test_bad_usage(self):
        for arguments in (["--link-gbits", "fast"], ["--link-gbits", "0"], ["--no-such-option"]):
            ended = subprocess.run([RIPIENO, "doctor", *arguments], capture_output=True, text=True, timeout=120)
            self.assertEqual(ended.returncode, 64, ended.stderr)
            self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)

    @programs.needs_mpi
    def test_ranks_of_one_host_compare_and_calibrate(self):
        before = sorted(self.directory.iterdir())
        findings = self.doctor(self.configuration, "--run", self.directory, "--calibration", "calibration.json",
                               "--exclude-file", "exclude", prefix=[programs.MPIRUN, 2])[1]
        subjects = [finding["subject"] for finding in findings]
        self.assertIn("all-reduce", subjects)
        self.assertNotIn("D-MPI-04", [finding["code"] for finding in findings])
        calibration = json.loads((self.directory / "calibration.json").read_text())
        self.assertEqual(calibration["links"][0]["ranks"], 2)
        self.assertGreater(calibration["links"][0]["bytes_per_second"], 0)
        self.assertGreater(calibration["gflops"]["f32"], 0)
        (self.directory / "calibration.json").unlink()
        (self.directory / "exclude").unlink()
        self.assertEqual(sorted(self.directory.iterdir()), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
