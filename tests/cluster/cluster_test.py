"""Training on several hosts, and what becomes of it when one of them is lost; runs within hosts.sh."""
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

    def test_two_hosts_give_the_bits_of_two_ranks_of_one_host(self):
        on_hosts = self.finish("hosts")
        self.assertEqual(on_hosts, self.on_one_host("one", ranks=2))
        self.assertEqual(self.values("hosts", "validation_loss"), self.values("one", "validation_loss"))

    def test_a_slow_link_changes_no_bit(self):
        fast = self.finish("fast")
        hosts("limit", "h2", "2mbit")
        self.addCleanup(hosts, "limit", "h2", "none")
        self.assertEqual(self.finish("slow"), fast)

    def test_what_two_hosts_save_one_continues_and_the_other_way_round(self):
        whole = self.finish("whole")
        self.finish("run", "--steps", 15)
        self.on_one_host("run", "--steps", 25, ranks=2)
        self.assertEqual(self.finish("run"), whole)


class RanksOnHosts(ClusterTest):
    STEPS, SLOTS = 40, 2

    def test_two_on_each_of_two_give_the_losses_of_four_on_one(self):
        on_hosts, one = self.finish("hosts"), self.on_one_host("one", ranks=4)
        self.assertEqual(on_hosts.keys(), one.keys())
        for step, loss in one.items():  # each host adds up its own ranks first
            self.assertLessEqual(abs(on_hosts[step] - loss), 3e-6 * loss, f"step {step}")

    def test_in_strict_mode_they_give_the_bits_of_one_rank(self):
        strict = ("--set", "parallel.strict=true")
        self.assertEqual(self.finish("hosts", *strict), self.on_one_host("one", *strict, ranks=1))


class Faults(ClusterTest):
    STEPS = 200
    SECONDS = 150  # in which a loss is noticed, far less than the default timeout
    LOST = (76, 205)  # ours, and mpirun's for a host

    def lose(self, *loss):
        """What a run says that loses something after a few steps."""
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
        return errors

    def assert_it_continues(self):
        self.assertGreater(len(self.checkpoints("run")), 0)
        self.assertEqual(self.finish("run"), self.on_one_host("whole", ranks=2))


class CableCut(Faults):
    def test_the_run_ends_and_the_same_command_continues_it(self):
        self.assertIn("h2", self.lose("cut", "h2"))
        hosts("join", "h2")
        self.assert_it_continues()


class PowerLost(Faults):
    def test_the_run_ends_and_the_same_command_continues_it(self):
        self.assertIn("h2", self.lose("kill", "h2"))
        hosts("start", "h2")
        self.assert_it_continues()


PAGE = pathlib.Path(__file__).parents[2] / "docs/cluster.md"


class Documented(ClusterTest):
    STEPS = 100000

    def setUp(self):
        """The folder that the page speaks of, and an ssh that leads to the hosts."""
        super().setUp()
        self.configuration.rename(self.directory / "gpt.toml")
        for name, target in (("bin", programs.BIN), ("deploy", PAGE.parents[1] / "deploy")):
            (self.directory / name).symlink_to(target)
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

    def test_each_command_of_the_page(self):
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

    def test_a_supervised_run_goes_on_after_a_cable_was_pulled(self):
        command = re.findall(r"```sh\n(deploy/supervise.*?)```", PAGE.read_text(), re.DOTALL)[0]
        (self.directory / "hosts").write_text("h1 slots=1\nh2 slots=1\n")
        self.environment["PAUSE_SECONDS"] = "1"
        training = self.start_command(f"{command.strip()} --steps 1000")
        try:
            self.wait_for_steps("runs/gpt", training, 25)
            hosts("cut", "h2")
            time.sleep(12)
            hosts("join", "h2")
            out, errors = training.communicate(timeout=600)
        finally:
            programs.kill(training)
        self.assertEqual(training.returncode, 0, out + errors)
        self.assertIn("supervise.sh: the run ended with 205; starting it again", errors)
        self.assertEqual(max(self.losses("runs/gpt")), 1000)


class LostRankOfAHost(lost_rank_test.LostRank):
    @classmethod
    def setUpClass(cls):
        hosts("up", 2)

    def launcher(self):
        return [HOSTS, "run"]


if __name__ == "__main__":
    unittest.main()
