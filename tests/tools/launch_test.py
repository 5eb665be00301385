#!/usr/bin/env python3
"""`ripieno launch` with real programs: failures, signals, notices, budgets."""
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

import programs

LAUNCH = [str(programs.BIN / "ripieno"), "launch"]


class LaunchTest(programs.ProgramTest):
    STEPS = 100_000

    def setUp(self):
        super().setUp()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}

    def launch(self, *options, program=None, run="run"):
        """Starts it, in a new process group. Arguments of train_gpt are those of ProgramTest."""
        program = program or programs.ProgramTest.command(self, run)
        command = [*LAUNCH, *map(str, options), "--", *map(str, program)]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   cwd=self.directory, env=self.environment, start_new_session=True)
        self.addCleanup(programs.kill, started)
        return started

    def ended(self, *options, **more):
        """(status, lines of stderr, stdout) of a launch that ends by itself."""
        return self.end_of(self.launch(*options, **more))

    def end_of(self, started):
        out, errors = started.communicate(timeout=600)
        return started.returncode, errors.splitlines(), out

    def script(self, text):
        path = self.directory / "program.sh"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def trained(self, *arguments):
        return programs.ProgramTest.command(self, "run", *arguments)

    def pid_of(self, rank, run="run"):
        """The process of a rank of the newest attempt."""
        attempt = sorted((self.directory / run / "launch").glob("attempt_*"))[-1]
        return json.loads((attempt / f"rank_{rank:05}.started").read_text())["pid"]

    def assert_saved(self, status, errors):
        self.assertEqual(status, 75, errors)
        last = max(self.losses("run"))
        self.assertEqual(self.checkpoints("run")[-1].name, f"step_{last:08}")

    def assert_only_error(self, ended, status, text):
        self.assertEqual(ended[0], status, ended)
        self.assertEqual(len(ended[1]), 1, ended)
        self.assertIn(text, ended[1][0])


class Commands(LaunchTest):
    def test_one_rank_needs_no_mpirun(self):
        self.environment["PATH"] = "/nowhere"
        status, errors, _ = self.ended("-n", 1, program=self.trained("--steps", 3))
        self.assertEqual((status, len(errors)), (0, 1), errors)
        self.assertNotIn("mpirun", errors[0])
        self.assertEqual(sorted(self.losses("run")), [1, 2, 3])

    def test_the_launcher_loads_neither_mpi_nor_cuda(self):
        cache = programs.BIN.parent / "CMakeCache.txt"
        if re.search(r"^CMAKE_UNITY_BUILD:\w+=ON$", cache.read_text() if cache.exists() else "", re.MULTILINE):
            self.skipTest("a unity build links whole folders")
        listed = subprocess.run(["ldd", programs.BIN / "ripieno_launch"], capture_output=True, text=True, check=True)
        self.assertNotRegex(listed.stdout, "libmpi|libopen-rte|libcu|libnccl")

    def test_a_dry_run_prints_the_command_and_changes_nothing(self):
        before = sorted(self.directory.iterdir())
        status, errors, out = self.ended("-n", 3, "--dry-run")
        self.assertEqual((status, errors), (0, []))
        self.assertRegex(out, r"^mpirun -n 3 --oversubscribe --bind-to none .*train_gpt --config \S+ --run-dir \S+")
        self.assertEqual(sorted(self.directory.iterdir()), before)

    def test_hosts_are_those_of_the_file_or_of_slurm(self):
        (self.directory / "hosts").write_text("a.invalid slots=2\nb.invalid\n")
        _, errors, out = self.ended("--hostfile", "hosts", "--dry-run")
        self.assertIn("mpirun -n 3 --host a.invalid:2,b.invalid:1 --map-by slot", out, errors)
        self.assertIn("--mca btl_tcp_if_exclude 127.0.0.0/8,", out)
        self.environment.update(SLURM_JOB_NODELIST="n[1-2].invalid", SLURM_TASKS_PER_NODE="4(x2)")
        self.assertIn("mpirun -n 8 --host n1.invalid:4,n2.invalid:4", self.ended("--dry-run")[2])

    def test_bad_input_is_refused_in_one_line_and_changes_nothing(self):
        (self.directory / "twice").write_text("h1\nh1\n")
        (self.directory / "broken").write_text("h1 slots=many\n")
        (self.directory / "two").write_text("h1\nh2\n")
        before = sorted(self.directory.iterdir())
        for status, text, *options in (
                (78, "twice:2: h1 is listed twice", "--hostfile", "twice"),
                (78, "broken:1: the number of slots", "--hostfile", "broken"),
                (78, "nowhere: cannot read", "--hostfile", "nowhere"),
                (64, "-n 3: the hosts have 2 slots", "--hostfile", "two", "-n", 3),
                (64, "-n 0: must be", "-n", 0),
                (64, "-n 1e9: must be", "-n", "1e9"),
                (64, "--max-restarts -1: must be", "--max-restarts", "-1"),
                (64, "--price-per-gpu-hour 2,5: must be", "--price-per-gpu-hour", "2,5"),
                (64, "--price-per-host-hour $3: must be", "--price-per-host-hour", "$3"),
                (64, "--budget-usd nan: must be", "--budget-usd", "nan"),
                (64, "--budget-hours 0: must be more than 0", "--budget-hours", 0),
                (64, "--budget-usd requires a price", "--budget-usd", 5),
                (64, "--notices ibm: must be one of", "--notices", "ibm"),
                (64, "--notices-url x: must be", "--notices-url", "x"),
                (64, "--min-ranks 5: must be at most", "--min-ranks", 5),
                (64, "--nonsense", "--nonsense")):
            with self.subTest(options):
                self.assert_only_error(self.ended(*options), status, text)
        self.assert_only_error(self.ended("--hostfile", "two", program=["true"]), 64, "run directory is unknown")
        self.assertEqual(sorted(self.directory.iterdir()), before)

    def test_a_program_is_required(self):
        for words in ([], ["-n", "2"], ["--"]):
            ended = subprocess.run([*LAUNCH, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(ended.returncode, 64)
            self.assertEqual(len(ended.stderr.splitlines()), 1)
            self.assertIn("no program to launch", ended.stderr)


class Failures(LaunchTest):
    STEPS = 2000

    def test_a_program_that_fails_at_once_is_not_restarted(self):
        count = self.directory / "count"
        program = self.script(f"echo x >>{count}; echo 'cannot start' >&2; exit 3\n")
        status, errors, _ = self.ended(program=[program])
        self.assertEqual((status, count.read_text()), (3, "x\n"))
        self.assertRegex(errors[-1], "first error: rank 0 on .* ended with status 3: cannot start$")

    def test_a_program_that_is_not_there_is_not_restarted(self):
        status, errors, _ = self.ended("--run-dir", "r", program=["no_such_program"])
        self.assertEqual(status, 127)
        self.assertIn("no_such_program: cannot be executed: No such file or directory", errors[-1])

    def test_a_wrong_configuration_is_not_restarted_and_is_shown_last(self):
        for ranks in (1, 2) if programs.MPIRUN else (1,):
            status, errors, _ = self.ended("-n", ranks, program=self.trained("--set", "train.bs=1"))
            self.assertEqual(status, 78, errors)
            self.assertRegex(errors[-1], "first error: rank . on .* ended with status 78: train_gpt: .*train.bs")
            self.assertEqual(len([line for line in errors if "mpirun -n" in line]), ranks - 1)

    def test_restarts_without_a_new_step_end_with_93(self):
        program = self.script('mkdir -p r; [ -e r/metrics.jsonl ] || echo \'{"step":1}\' >r/metrics.jsonl\n'
                              "sleep 0.5; exit 74\n")
        status, errors, _ = self.ended("--max-restarts-in-vain", 1, program=[program, "--run-dir", "r"])
        self.assertEqual(status, 93, errors)
        self.assertEqual(len([line for line in errors if "restarting on 1 rank" in line]), 1, errors)

    def test_the_limit_of_restarts_holds(self):
        program = self.script('mkdir -p r; echo "{\\"step\\":$(wc -l <r/metrics.jsonl 2>/dev/null || echo 0)}" '
                              ">>r/metrics.jsonl; sleep 0.5; exit 74\n")
        status, errors, _ = self.ended("--max-restarts", 2, program=[program, "--run-dir", "r"])
        self.assertEqual(status, 74, errors)
        self.assertEqual(len((self.directory / "r/metrics.jsonl").read_text().splitlines()), 3)

    @programs.needs_mpi
    def test_a_killed_rank_is_named_and_training_continues_as_if_nothing_happened(self):
        self.finish("whole", ranks=2)
        training = self.launch("-n", 2)
        self.wait_for_steps("run", training, 200)
        killed = time.monotonic()
        os.kill(self.pid_of(1), signal.SIGKILL)
        steps = max(self.losses("run"))
        while training.poll() is None and max(self.losses("run")) <= steps + 2:
            time.sleep(0.05)
        print(f"training again {time.monotonic() - killed:.1f} s after a killed rank")
        status, errors, _ = self.end_of(training)
        self.assertEqual(status, 0, errors)
        self.assertTrue(any("rank 1 on" in line and "killed by signal 9" in line for line in errors), errors)
        self.assertEqual(self.losses("run"), self.losses("whole"))

    @programs.needs_mpi
    def test_a_killed_mpirun_is_restarted(self):
        training = self.launch("-n", 2)
        self.wait_for_steps("run", training, 100)
        children = subprocess.run(["pgrep", "-P", str(training.pid)], capture_output=True, text=True)
        os.kill(int(children.stdout), signal.SIGKILL)
        status, errors, _ = self.end_of(training)
        self.assertEqual(status, 0, errors)
        self.assertTrue(any("restarting on 2 ranks" in line for line in errors), errors)

    def test_an_mpirun_that_does_not_end_is_killed(self):
        """As one whose own host lost its network."""
        (self.directory / "bin").mkdir()
        mpirun = self.directory / "bin/mpirun"
        mpirun.write_text('#!/bin/sh\ntrap "" TERM INT USR1\nwhile [ "$1" != --rank-of ]; do last=$1; shift; done\n'
                          '"$last" "$@"\nexec sleep 1000\n')
        mpirun.chmod(0o755)
        self.environment["PATH"] = f"{mpirun.parent}:{os.environ['PATH']}"
        started = time.monotonic()
        status, errors, _ = self.ended("-n", 2, program=[self.script("exit 70\n")])
        self.assertEqual(status, 70, errors)
        self.assertLess(time.monotonic() - started, 100)


@programs.needs_mpi
class Explained(LaunchTest):
    """`ripieno explain` uses what the launch recorded about the ends of ranks."""

    def disturb(self, action, *options):
        """Calls `action` with the launch of two ranks after some steps. Returns the status."""
        training = self.launch("-n", 2, "--max-restarts", 0, *options)
        self.wait_for_steps("run", training, 30)
        began = time.monotonic()
        action(training)
        status, self.errors, _ = self.end_of(training)
        print(f"over {time.monotonic() - began:.1f} s later")
        return status

    def test_a_killed_rank(self):
        self.assertEqual(self.disturb(lambda _: os.kill(self.pid_of(1), signal.SIGKILL)), 137, self.errors)
        self.assert_cause("run", "R-HOST-03", 1, text=r"was killed by signal 9 at step \d+, from outside")

    def test_ranks_whose_mpirun_was_killed(self):
        def kill_mpirun(training):
            children = subprocess.run(["pgrep", "-P", str(training.pid)], capture_output=True, text=True)
            os.kill(int(children.stdout), signal.SIGKILL)
        self.assertNotEqual(self.disturb(kill_mpirun), 0)
        self.assert_cause("run", "R-HOST-03", text="killed by signal 9, as with an mpirun that is killed")

    def test_a_request_to_stop_is_no_failure(self):
        self.assertEqual(self.disturb(lambda training: training.send_signal(signal.SIGTERM)), 75, self.errors)
        failures = [finding for finding in self.explain("run") if finding["role"] == "root" and
                    not finding["code"].startswith(("R-SLOW", "R-HOST-05", "R-NET-02", "R-DATA-02", "R-CKPT-04"))]
        self.assertEqual(failures, [])

    def test_training_that_diverged(self):
        program = programs.ProgramTest.command(self, "run", "--set", "optimizer.learning_rate=1e30")
        status, errors, _ = self.ended("-n", 2, program=program)
        self.assertEqual(status, 79, errors)
        self.assert_cause("run", "R-NUM-01", 0, text=r"ended with status 79 at step \d+: .*not finite")


class Stops(LaunchTest):
    def stop(self, sent, *options):
        training = self.launch(*options)
        self.wait_for_steps("run", training, 20)
        training.send_signal(sent)
        return self.end_of(training)

    def test_alone_by_the_signals_of_schedulers_and_containers(self):
        for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            status, errors, _ = self.stop(sent)
            self.assert_saved(status, errors)

    @programs.needs_mpi
    def test_on_two_ranks_by_the_signals_of_schedulers_and_containers(self):
        for sent in (signal.SIGTERM, signal.SIGUSR1):
            status, errors, _ = self.stop(sent, "-n", 2)
            self.assert_saved(status, errors)

    def test_by_a_signal_while_the_program_starts(self):
        for ranks in (1, 2) if programs.MPIRUN else (1,):
            shutil.rmtree(self.directory / "run", ignore_errors=True)
            training = self.launch("-n", ranks)
            while not (self.directory / "run/launch").exists():
                time.sleep(0.001)
            training.send_signal(signal.SIGTERM)
            status, errors, _ = self.end_of(training)
            self.assertEqual(status, 75, errors)

    def test_a_second_signal_ends_at_once_whatever_the_program_ignores(self):
        training = self.launch(program=[self.script("trap '' TERM INT USR1; echo ready\nsleep 1000\nsleep 1000\n")])
        training.stdout.readline()
        training.send_signal(signal.SIGTERM)
        time.sleep(1.2)
        training.send_signal(signal.SIGTERM)
        status, errors, _ = self.end_of(training)
        self.assertEqual(status, 128 + signal.SIGTERM, errors)

    def test_by_a_budget_of_hours(self):
        status, errors, _ = self.ended("--budget-hours", 0.002, "--price-per-gpu-hour", 3600)
        self.assert_saved(status, errors)
        spent = [line for line in errors if "spent 0.00 hours, " in line]
        self.assertEqual(len(spent), 1, errors)
        self.assertTrue(1 < float(spent[0].split()[-2]) < 8, spent)

    def test_by_a_budget_of_money(self):
        status, errors, _ = self.ended("--budget-usd", 5, "--price-per-host-hour", 3600)
        self.assert_saved(status, errors)
        self.assertTrue(any("the budget is used up" in line for line in errors), errors)

    @unittest.skipIf(os.geteuid() != 0, "requires root")
    def test_as_process_1_it_reaps_orphans_and_forwards_signals(self):
        program = self.script("for i in 1 2 3; do (sleep 0.1 &); done; sleep 1\n"
                              "grep -l 'State:.Z' /proc/[0-9]*/status | wc -l; exec " +
                              " ".join(self.trained()) + "\n")
        command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *LAUNCH, "--run-dir", "run", "--",
                   str(program)]
        training = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                    cwd=self.directory, start_new_session=True)
        self.addCleanup(programs.kill, training)
        zombies = training.stdout.readline()
        if not zombies and training.wait() == 1:
            self.skipTest("no namespaces")
        self.assertEqual(int(zombies), 0)
        self.wait_for_steps("run", training, 20)
        first = subprocess.run(["pgrep", "-P", str(training.pid)], capture_output=True, text=True).stdout
        os.kill(int(first), signal.SIGTERM)
        status, errors, _ = self.end_of(training)
        self.assert_saved(status, errors)


class Metadata(http.server.BaseHTTPRequestHandler):
    """The metadata services of three clouds, or a broken one."""

    def do_PUT(self):
        self.answer("token" if "X-aws-ec2-metadata-token-ttl-seconds" in self.headers else None)

    def do_GET(self):
        known = {"/latest/meta-data/spot/instance-action": self.aws,
                 "/computeMetadata/v1/instance/preempted": self.gcp,
                 "/metadata/instance/compute/name?api-version=2021-02-01&format=text": lambda: "vm_1",
                 "/metadata/scheduledevents?api-version=2020-07-01": self.azure}
        self.answer(known.get(self.path, lambda: None)())

    def aws(self):
        if self.headers.get("X-aws-ec2-metadata-token") != "token":
            return 401
        return '{"action": "terminate", "time": "2099-01-01T00:00:00Z"}' if self.server.preempts else None

    def gcp(self):
        return str(self.server.preempts).upper() if self.headers.get("Metadata-Flavor") == "Google" else 403

    def azure(self):
        events = [{"EventId": "A", "EventType": "Preempt", "Resources": ["vm_1"],
                   "NotBefore": "Mon, 19 Sep 2050 18:29:47 GMT"}]
        return json.dumps({"Events": events if self.server.preempts else []}) if self.headers.get("Metadata") else 400

    def answer(self, body):
        self.server.asked.set()
        if self.server.fault == "slow":
            time.sleep(3)
        if self.server.fault == "wrong":
            body = "<html>Welcome to the hotel's network</html>"
        status = body if isinstance(body, int) else 404 if body is None else 200
        self.send_response(status)
        self.end_headers()
        try:
            self.wfile.write(body.encode() if isinstance(body, str) else b"")
        except BrokenPipeError:
            pass  # the client gave up

    def log_message(self, *arguments):
        pass


class Notices(LaunchTest):
    def serve(self, fault=""):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
        server.preempts, server.fault, server.asked = False, fault, threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def options(self, cloud, server):
        return "--notices", cloud, "--notices-url", f"http://127.0.0.1:{server.server_port}"

    def test_of_all_clouds_save_and_stop_the_run(self):
        for cloud in ("aws", "gcp", "azure"):
            with self.subTest(cloud):
                server = self.serve()
                self.environment["http_proxy"] = "http://127.0.0.1:1"  # is not used
                training = self.launch(*self.options(cloud, server))
                self.wait_for_steps("run", training, 20)
                self.assertTrue(server.asked.wait(60))
                self.assertIsNone(training.poll())
                server.preempts = True
                status, errors, _ = self.end_of(training)
                self.assert_saved(status, errors)
                self.assertTrue(any(f"{cloud.upper() if cloud != 'azure' else 'Azure'} announced" in line
                                    for line in errors), errors)

    def test_that_are_slow_or_wrong_or_never_come_are_reported_once(self):
        for fault in ("slow", "wrong", "never"):
            with self.subTest(fault):
                server = self.serve(fault)
                if fault == "never":
                    server.shutdown()
                    server.socket.close()
                training = self.launch(*self.options("gcp", server))
                line = ""
                while "does not answer as documented" not in line:
                    line = training.stderr.readline()
                    self.assertTrue(line, training.poll())
                training.send_signal(signal.SIGTERM)
                status, errors, _ = self.end_of(training)
                self.assert_saved(status, errors)
                self.assertFalse([line for line in errors if "does not answer" in line])

    def test_warn_of_a_save_that_takes_longer(self):
        run = self.directory / "run"
        run.mkdir()
        (run / "metrics.jsonl").write_text('{"step":1,"loss":1,"seconds":{"checkpoint":25.0,"total":26.0}}\n')
        status, errors, _ = self.ended(*self.options("gcp", self.serve()), "--run-dir", "run", program=["true"])
        self.assertEqual(status, 0, errors)
        self.assertEqual(len([line for line in errors if "took up to 26 s, but GCP announces" in line]), 1, errors)


if __name__ == "__main__":
    unittest.main()
