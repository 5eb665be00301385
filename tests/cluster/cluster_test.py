"""Training on several hosts, also when one of them is lost. Runs under `hosts.sh within`."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import lost_rank_test
import programs

HOSTS = str(pathlib.Path(__file__).with_name("hosts.sh"))


def hosts(*words):
    subprocess.run([HOSTS, *map(str, words)], check=True, timeout=600)


class ClusterTest(programs.ProgramTest):
    NUMBER, SLOTS = 2, 1

    @classmethod
    def setUpClass(cls):
        hosts("up", cls.NUMBER, cls.SLOTS)

    def command(self, run, *arguments, over_hosts=True, **options):
        command = super().command(run, *arguments, **options)
        return [HOSTS, "run", *command] if over_hosts else command

    def on_one_host(self, run, *arguments, ranks):
        return self.finish(run, *arguments, over_hosts=False, ranks=ranks)


class Training(ClusterTest):
    STEPS = 40

    def test_two_hosts_and_two_ranks_on_one_host_are_bitwise_identical(self):
        on_hosts = self.finish("hosts")
        self.assertEqual(on_hosts, self.on_one_host("one", ranks=2))
        self.assertEqual(self.values("hosts", "validation_loss"), self.values("one", "validation_loss"))

    def test_a_slow_link_changes_no_result(self):
        fast = self.finish("fast")
        hosts("limit", "h2", "2mbit")
        self.addCleanup(hosts, "limit", "h2", "none")
        self.assertEqual(self.finish("slow"), fast)

    def test_a_run_resumes_between_one_and_two_hosts(self):
        whole = self.finish("whole")
        self.finish("run", "--steps", 15)
        self.on_one_host("run", "--steps", 25, ranks=2)
        self.assertEqual(self.finish("run"), whole)


class RanksOnHosts(ClusterTest):
    STEPS, SLOTS = 40, 2

    def test_two_ranks_on_each_of_two_hosts_give_the_losses_of_four_on_one(self):
        on_hosts, one = self.finish("hosts"), self.on_one_host("one", ranks=4)
        self.assertEqual(on_hosts.keys(), one.keys())
        for step, loss in one.items():  # each host first sums over its ranks
            self.assertLessEqual(abs(on_hosts[step] - loss), 3e-6 * loss, f"step {step}")

    def test_strict_mode_is_bitwise_identical_to_one_rank(self):
        strict = ("--set", "parallel.strict=true")
        self.assertEqual(self.finish("hosts", *strict), self.on_one_host("one", *strict, ranks=1))


class Faults(ClusterTest):
    STEPS = 200
    SECONDS = 150  # limit for detecting the loss, far less than the default timeout
    LOST = (76, 205)  # exit status of our program, and of mpirun for a lost host

    def lose(self, code, text, *loss):
        """Runs `hosts.sh` with the words `loss` after a few steps of a run. Returns its stderr.

        `code`, `text`: the cause by `ripieno explain`.
        """
        training = self.start("run")
        self.wait_for_steps("run", training, 25)
        lost = time.monotonic()
        hosts(*loss)
        try:
            errors = training.communicate(timeout=self.SECONDS)[1]
        finally:
            programs.kill(training)
        print(f"{' '.join(loss)}: status {training.returncode} after {time.monotonic() - lost:.1f} s\n{errors}")
        self.assertIn(training.returncode, self.LOST, errors)
        self.assert_cause("run", code, text=text)
        return errors

    def assert_it_continues(self):
        self.assertGreater(len(self.checkpoints("run")), 0)
        self.assertEqual(self.finish("run"), self.on_one_host("whole", ranks=2))


class CableCut(Faults):
    def test_the_run_ends_and_the_same_command_resumes_it(self):
        # The storage of these hosts outlives their network, so h2 writes its record to the end.
        text = "network between 2 hosts does not deliver, or one of them was lost"
        self.assertIn("h2", self.lose("R-NET-01", text, "cut", "h2"))
        hosts("join", "h2")
        self.assert_it_continues()


class PowerLost(Faults):
    def test_the_run_ends_and_the_same_command_resumes_it(self):
        self.assertIn("h2", self.lose("R-HOST-01", "host h2 was lost", "kill", "h2"))
        hosts("start", "h2")
        self.assert_it_continues()


class SlowLink(ClusterTest):
    """A throttled link is named within 50 steps, while the run is still alive."""

    STEPS = 50

    def test_is_named(self):
        hosts("limit", "h2", "4mbit")
        self.addCleanup(hosts, "limit", "h2", "none")
        ended = self.train("run", "--set", "model.channels=64")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        if os.getloadavg()[0] <= 2 * len(os.sched_getaffinity(0)):  # otherwise ranks also wait for cores
            self.assertRegex(ended.stderr, r"communication takes \d+ % of each step on all ranks")
        findings = self.explain("run")
        if findings is None:
            self.skipTest("built without the tools")
        self.assertIn("R-NET-02", [finding["code"] for finding in findings], findings)
        seconds = self.values("run", "seconds")[self.STEPS]
        self.assertGreater(seconds["communication_exposed"], seconds["total"] / 2, seconds)


PAGE = pathlib.Path(__file__).parents[2] / "docs/cluster.md"


class Documented(ClusterTest):
    STEPS = 100000

    def setUp(self):
        """The folder that the page describes, and an ssh that reaches the hosts."""
        super().setUp()
        self.configuration.rename(self.directory / "gpt.toml")
        (self.directory / "bin").symlink_to(programs.BIN)
        ssh = self.directory / "ssh"
        ssh.write_text(f'#!/bin/sh\nwhile [ "${{1#-}}" != "$1" ]; do shift; done\nexec {HOSTS} on "$@"\n')
        ssh.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items()
                            if name != "OMPI_MCA_plm_rsh_agent"}
        self.environment["PATH"] = f"{self.directory}:{os.environ['PATH']}"

    def start_command(self, command):
        return subprocess.Popen(["bash", "-ec", command], cwd=self.directory, env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def run_command(self, command):
        started = self.start_command(command)
        try:
            return (*started.communicate(timeout=600), started.returncode)
        finally:
            programs.kill(started)

    def test_every_command_of_the_page_works(self):
        commands = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
        self.assertEqual(len(commands), 6)
        for command in commands[:-1]:
            expected = int((re.findall(r"# ends with (\d+)", command) or [0])[0])
            out, errors, status = self.run_command(command)
            self.assertEqual(status, expected, command + out + errors)
        saved = max(self.losses("runs/gpt"))
        self.assertGreater(saved, 40)
        training = self.start_command(commands[-1])
        self.wait_for_steps("runs/gpt", training, 20)
        training.send_signal(signal.SIGUSR1)
        out, errors = training.communicate(timeout=600)
        self.assertEqual(training.returncode, 75, out + errors)
        self.assertGreater(max(self.losses("runs/gpt")), saved)


class Launched(ClusterTest):
    """`ripieno launch` continues on the hosts that are left."""

    STEPS = 100_000
    LAUNCH = str(programs.BIN / "ripieno")

    def launch(self, *prefix, options=()):
        (self.directory / "hosts").write_text("h1 slots=1\nh2 slots=1\n")
        command = [*prefix, self.LAUNCH, "launch", "--hostfile", "hosts", *options, "--",
                   *super().command("run", over_hosts=False)]
        training = subprocess.Popen(command, cwd=self.directory, text=True, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(programs.kill, training)
        self.wait_for_steps("run", training, 25)
        self.assertIsNone(training.poll())
        return training

    def wait_for_restart(self, training):
        """Returns the lines of stderr up to the message about it."""
        lines = []
        while not (lines and "restarting on" in lines[-1]):
            lines.append(training.stderr.readline())
            self.assertTrue(lines[-1], "".join(lines))
        return lines

    def assert_it_continues_without(self, host, lose, *prefix):
        training = self.launch(*prefix)
        lost = time.monotonic()
        lose()
        lines = self.wait_for_restart(training)
        print(f"noticed after {time.monotonic() - lost:.1f} s: {lines[-1]}")
        self.assertIn(f"host {host} was lost; restarting on 1 rank", lines[-1])
        self.wait_for_steps("run", training, 25)
        print(f"training again after {time.monotonic() - lost:.1f} s")
        training.send_signal(signal.SIGTERM)
        errors = training.communicate(timeout=600)[1]
        self.assertEqual(training.returncode, 75, errors)
        self.assertEqual(self.checkpoints("run")[-1].name, f"step_{max(self.losses('run')):08}")

    def test_after_a_cut_cable(self):
        self.addCleanup(hosts, "join", "h2")
        self.assert_it_continues_without("h2", lambda: hosts("cut", "h2"))

    def test_after_the_cable_of_its_own_host_was_cut(self):
        """mpirun does not notice it, and never ends."""
        h1 = pathlib.Path("/dev/shm/hosts/h1").read_text().strip()
        self.addCleanup(hosts, "join", "h1")
        self.assert_it_continues_without("h2", lambda: hosts("cut", "h1"), "nsenter", "--target", h1, "--net", "--uts")

    def test_a_cut_cable_is_explained_if_there_is_no_restart(self):
        self.addCleanup(hosts, "join", "h2")
        training = self.launch(options=["--max-restarts", "0"])
        hosts("cut", "h2")
        errors = training.communicate(timeout=600)[1]
        self.assertEqual(training.returncode, 76, errors)
        self.assert_cause("run", "R-HOST-01", 1, text="host h2 was lost .rank 1., as `ripieno launch` noticed")

    def test_after_a_power_loss(self):
        self.addCleanup(hosts, "start", "h2")
        self.assert_it_continues_without("h2", lambda: hosts("kill", "h2"))

    def test_after_its_daemon_was_killed(self):
        self.assert_it_continues_without("h2", lambda: hosts("on", "h2", "pkill", "-9", "-x", "orted"))

    def test_with_both_hosts_after_a_killed_rank(self):
        training = self.launch()
        record = sorted((self.directory / "run/launch").glob("attempt_*/rank_00001.started"))[-1]
        hosts("on", "h2", "kill", "-9", json.loads(record.read_text())["pid"])
        lines = self.wait_for_restart(training)
        self.assertRegex(lines[-1], r"rank 1 on h2 \(pid \d+\) was killed by signal 9 .*restarting on 2 ranks")
        training.send_signal(signal.SIGTERM)
        self.assertEqual(training.communicate(timeout=600) and training.returncode, 75)


class LostRankOfAHost(lost_rank_test.LostRank):
    @classmethod
    def setUpClass(cls):
        hosts("up", 2)

    def launcher(self):
        return [HOSTS, "run"]


if __name__ == "__main__":
    unittest.main()
