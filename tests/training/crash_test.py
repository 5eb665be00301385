"""A run that is killed or stopped continues bitwise, as if it had not been interrupted."""
import json
import random
import signal
import subprocess
import time
import unittest

import programs


class Killed(programs.ProgramTest):
    def kill_at_random_moments(self, kills, **options):
        """Kills the run several times, each time some steps later."""
        chance = random.Random(kills)
        for _ in range(kills):
            training = self.start("killed", **options)
            self.wait_for_steps("killed", training, chance.randrange(1, 25))
            time.sleep(chance.uniform(0, 0.01))
            programs.kill(training)
            training.stderr.close()

    def test_at_any_moment_it_continues_bitwise(self):
        whole = self.finish("whole")
        self.kill_at_random_moments(12)
        self.assertEqual(self.finish("killed"), whole)
        self.assertEqual(self.values("killed", "validation_loss"), self.values("whole", "validation_loss"))

    @programs.needs_mpi
    def test_on_two_ranks_it_continues_bitwise(self):
        whole = self.finish("whole", ranks=2)
        self.kill_at_random_moments(4, ranks=2)
        self.assertEqual(self.finish("killed", ranks=2), whole)

    def test_all_lines_of_its_metrics_but_the_last_are_complete(self):
        self.kill_at_random_moments(3)
        metrics = self.directory / "killed/metrics.jsonl"
        lines = metrics.read_text().split("\n")[:-1] if metrics.exists() else []  # without a truncated one
        for line in lines:
            json.loads(line)
        self.finish("killed")


class Stopped(programs.ProgramTest):
    STEPS = 4000

    def stop(self, sent):
        """Sends a signal after a few steps. Returns the ended process."""
        training = self.start("run")
        self.wait_for_steps("run", training, 3)
        training.send_signal(sent)
        errors = training.communicate()[1]
        return subprocess.CompletedProcess([], training.returncode, "", errors)

    def assert_saved(self, ended):
        self.assertEqual(ended.returncode, 75, ended.stderr)
        last = max(self.losses("run"))
        self.assertLess(last, self.STEPS)
        self.assertEqual(self.checkpoints("run")[-1].name, f"step_{last:08}")
        self.assertTrue((self.directory / "run/report.html").exists())

    def test_alone_by_any_of_the_three_signals(self):
        for sent in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            self.assert_saved(self.stop(sent))

    def test_by_all_signals_of_schedulers_limits_and_shells(self):
        for sent in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2, signal.SIGXCPU, signal.SIGALRM, signal.SIGPWR):
            self.assert_saved(self.stop(sent))

    def test_by_two_signals_at_once(self):
        training = self.start("run")
        self.wait_for_steps("run", training, 3)
        for _ in range(2):
            training.send_signal(signal.SIGTERM)
        errors = training.communicate()[1]
        self.assert_saved(subprocess.CompletedProcess([], training.returncode, "", errors))

    def test_not_by_a_hang_up_under_nohup(self):
        command = ["nohup", *self.command("run", "--steps", 300)]
        training = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                    stdin=subprocess.DEVNULL)
        self.wait_for_steps("run", training, 3)
        training.send_signal(signal.SIGHUP)
        self.assertEqual(training.wait(timeout=1000), 0)

    def test_and_started_again_it_continues_bitwise(self):
        self.assert_saved(self.stop(signal.SIGUSR1))
        steps = max(self.losses("run")) + 10
        self.assertEqual(self.finish("run", "--steps", steps), self.finish("whole", "--steps", steps))

    @programs.needs_mpi
    def test_under_mpirun_by_sigusr1_to_mpirun(self):
        mpirun = subprocess.Popen(
            ["mpirun", "-n", "2", "--allow-run-as-root", "--oversubscribe", "--quiet", "--mca",
             "mpi_yield_when_idle", "1", *self.command("run")],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.wait_for_steps("run", mpirun, 3)
        mpirun.send_signal(signal.SIGUSR1)
        errors = mpirun.communicate()[1]
        self.assert_saved(subprocess.CompletedProcess([], mpirun.returncode, "", errors))


class Steps(programs.ProgramTest):
    def test_a_finished_run_reports_it(self):
        self.finish("run", "--steps", 5)
        command = [word for word in self.command("run", "--steps", 5) if word != "--quiet"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.assertEqual(ended.returncode, 0)
        self.assertIn("already finished at step 5", ended.stdout)
        self.assertEqual(ended.stderr, "")

    def test_stopping_early_changes_no_later_step(self):
        whole = self.finish("whole", "--steps", 30)
        self.finish("run", "--steps", 13)
        self.assertEqual(self.finish("run", "--steps", 30), whole)

    def test_progress_shows_the_metrics_of_log_show(self):
        command = [*self.command("run", "--steps", 3), "--set",
                   'log.show=["learning_rate", "gradient_norm", "no_such_metric"]']
        command.remove("--quiet")
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertRegex(ended.stdout, r"step 3/3 .*learning_rate \S+ +gradient_norm \S+")
        self.assertNotIn("no_such_metric", ended.stdout)

    def test_quiet_prints_nothing(self):
        ended = self.train("run", "--steps", 3)
        self.assertEqual((ended.stdout, ended.stderr), ("", ""))


class Ranks(programs.ProgramTest):
    STEPS = 50

    def assert_close(self, a, b):
        self.assertEqual(a.keys(), b.keys())
        for step in a:
            self.assertLessEqual(abs(a[step] - b[step]), 3e-6 * b[step], f"step {step}")

    @programs.needs_mpi
    def test_any_number_gives_the_same_losses(self):
        alone = self.finish("alone")
        for ranks in (2, 3, 4):
            self.assert_close(self.finish(f"on_{ranks}", ranks=ranks), alone)

    @programs.needs_mpi
    def test_saved_on_four_it_continues_on_two_and_on_one(self):
        alone = self.finish("alone")
        self.finish("run", "--steps", 20, ranks=4)
        self.finish("run", "--steps", 35, ranks=2)
        self.assert_close(self.finish("run"), alone)

    @programs.needs_mpi
    def test_threads_and_processes_give_the_same_bits(self):
        for ranks in (2, 3, 4):
            program = str(programs.BIN / "train_tiny")
            threads, processes = (str(self.directory / f"{kind}_{ranks}") for kind in ("threads", "processes"))
            subprocess.run([program, threads, str(ranks)], check=True, timeout=1000)
            subprocess.run([programs.MPIRUN, str(ranks), program, processes], check=True, timeout=1000)
            self.assertEqual(self.losses(threads), self.losses(processes))


class Generate(programs.ProgramTest):
    def generate(self, *arguments):
        return subprocess.run([str(programs.BIN / "generate"), *map(str, arguments)],
                              capture_output=True, text=True, timeout=600)

    def test_it_writes_the_same_text_for_the_same_seed(self):
        self.finish("run", "--steps", 5)
        run = self.directory / "run"
        first = self.generate(run, "--prompt", "ab", "--tokens", 30, "--seed", 4)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertRegex(first.stdout, "^ab[abcd]{30}\n$")
        again = self.generate(self.checkpoints("run")[-1], "--prompt", "ab", "--tokens", 30, "--seed", 4)
        self.assertEqual(again.stdout, first.stdout)
        other = self.generate(run, "--prompt", "ab", "--tokens", 30, "--seed", 5)
        self.assertNotEqual(other.stdout, first.stdout)

    def test_top_k_of_one_equals_temperature_zero(self):
        self.finish("run", "--steps", 5)
        one = self.generate(self.directory / "run", "--prompt", "ab", "--tokens", 20, "--top-k", 1)
        cold = self.generate(self.directory / "run", "--prompt", "ab", "--tokens", 20, "--temperature", 0)
        self.assertEqual(one.stdout, cold.stdout)

    def test_bad_input(self):
        self.finish("run", "--steps", 5)
        for arguments, status in ((["nowhere"], 78), (["--stesp"], 64), ([self.directory / "run", "--prompt", "x"], 64),
                                  ([self.directory / "run", "--temperature", "nan"], 64),
                                  ([self.directory / "run", "--seed", 2**64 - 1], 64),
                                  ([self.directory / "run", "--tokens", 0], 64)):
            ended = self.generate(*arguments)
            self.assertEqual(ended.returncode, status, ended.stderr)
            self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
            self.assertLess(len(ended.stderr), 300)
            if len(arguments) > 1:
                self.assertIn(arguments[-2], ended.stderr)

    def test_ends_by_a_signal_because_it_has_nothing_to_save(self):
        self.finish("run", "--steps", 5)
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            writing = subprocess.Popen([str(programs.BIN / "generate"), str(self.directory / "run"), "--prompt",
                                        "ab", "--tokens", str(10**9)], stdout=subprocess.PIPE)
            writing.stdout.read(3)
            writing.send_signal(sent)
            writing.stdout.close()
            self.assertEqual(writing.wait(timeout=600), -sent)


if __name__ == "__main__":
    unittest.main()
