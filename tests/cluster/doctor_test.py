"""`ripieno doctor` on hosts whose links are slow or cut. Runs under `hosts.sh within`."""
import json
import subprocess
import sys
import time
import unittest

import cluster_test
import programs
from cluster_test import HOSTS, hosts


class Doctor(cluster_test.ClusterTest):
    NUMBER, SLOTS = 3, 1

    def doctor(self, *arguments):
        """The findings with a code, by host or pair; it must end within its limit."""
        command = [HOSTS, "run", programs.BIN / "ripieno", "doctor", "--json", "--run", self.directory,
                   "--link-gbits", 0.4, *arguments]  # far less than these links have, even on a busy machine
        started = time.monotonic()
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
        seconds = time.monotonic() - started
        self.assertIn(ended.returncode, (0, 78), ended.stderr)
        report = json.loads(ended.stdout)
        print(f"{seconds:.1f} s: {[(f['code'], f['where']) for f in report['findings'] if f['code']]}")
        self.assertLess(report["seconds"], 30)
        return report["findings"]

    def test_a_sound_network(self):
        findings = self.doctor()
        self.assertEqual([f for f in findings if f["code"].startswith("D-NET")], [])
        for subject in ("links", "clocks", "shared storage", "builds"):
            self.assertIn("ok", [f["severity"] for f in findings if f["subject"] == subject], findings)

    def test_names_a_slow_host(self):
        hosts("limit", "h2", "100mbit")
        self.addCleanup(hosts, "limit", "h2", "none")
        findings = self.doctor("--exclude-file", self.directory / "exclude")
        slow = {f["where"] for f in findings if f["code"] == "D-NET-04"}
        self.assertEqual(slow, {"h2"}, findings)
        self.assertIn("h2  # D-NET-04", (self.directory / "exclude").read_text())

    def test_names_a_cut_link(self):
        """h1 and h2 reach mpirun and h3, but not each other."""
        for host in ("h1", "h2"):
            words = ["ip", "link", "set", f"to_{host}", "type", "bridge_slave", "isolated"]
            tried = subprocess.run([*words, "on"], capture_output=True, text=True)
            if tried.returncode != 0:
                self.skipTest(f"ports of a bridge cannot be isolated: {tried.stderr.strip()}")
            self.addCleanup(subprocess.run, [*words, "off"], check=True)
        findings = self.doctor("--exclude-file", self.directory / "exclude")
        cut = [f for f in findings if f["code"] == "D-NET-03"]
        self.assertEqual([f["where"] for f in cut], ["h1 and h2"], findings)
        self.assertIn("cable", cut[0]["remedy"])
        self.assertIn("h2  # D-NET-03", (self.directory / "exclude").read_text())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]], verbosity=2)
