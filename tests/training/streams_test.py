"""Standard streams that are closed, full or broken, and files that cannot be written."""
import os
import resource
import signal
import subprocess
import unittest

import programs


class StreamsTest(programs.ProgramTest):
    def shell_command(self, redirection, command):
        quoted = " ".join(f"'{word}'" for word in command)
        return ["sh", "-c", f"exec {quoted} {redirection}"]

    def in_shell(self, redirection, command):
        return subprocess.run(self.shell_command(redirection, command), capture_output=True, text=True, timeout=1000,
                              cwd=self.directory)

    def assert_output_is_lost(self, ended):
        self.assertEqual(ended.returncode, 74, ended.args)
        self.assertRegex(ended.stderr, "standard output: (No space left on device|an earlier write failed)\n$")
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)


class EveryProgram(StreamsTest):
    """All programs of examples/, tools/ and benchmarks/; the build passes their names."""

    TRAINS = "train_small_gpt"  # trains with any command line; the others print their help

    def setUp(self):
        super().setUp()
        names = os.environ["RIPIENO_PROGRAMS"].split(",")
        self.assertGreater(len(names), 6)
        self.commands = [[str(programs.BIN / name), "--help"] for name in names if name != self.TRAINS]

    def test_reports_lost_output(self):
        for command in self.commands:
            with self.subTest(command):
                self.assert_output_is_lost(self.in_shell("> /dev/full", command))

    def test_opens_closed_streams(self):
        for command in self.commands:
            for closed in ("<&- >&- 2>&-", ">&-"):
                with self.subTest(command, closed=closed):
                    ended = self.in_shell(closed, command)
                    self.assertEqual((ended.returncode, ended.stderr), (0, ""))

    def test_that_trains_works_without_streams(self):
        for number, redirection in enumerate(("> /dev/full", "<&- >&- 2>&-")):
            command = self.shell_command(redirection, [str(programs.BIN / self.TRAINS)])
            training = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=self.directory)
            self.wait_for_steps("runs/small_gpt", training, 1)
            training.send_signal(signal.SIGUSR1)
            errors = training.communicate(timeout=1000)[1]
            self.assertEqual(training.returncode, 75, errors)
            self.assertEqual(len(errors.splitlines()), 1 - number, errors)  # progress cannot be shown
        self.assertGreaterEqual(len(self.losses("runs/small_gpt")), 2)  # every line is JSON


class Streams(StreamsTest):
    def verbose(self, run, *arguments):
        """The command without --quiet."""
        return [word for word in self.command(run, *arguments) if word != "--quiet"]

    def test_with_closed_streams_no_output_goes_into_files_of_the_run(self):
        whole = self.finish("whole", "--steps", 20)
        for number, closed in enumerate(("<&- >&- 2>&-", ">&-", "2>&-", "<&-")):
            ended = self.in_shell(closed, self.verbose(f"run{number}", "--steps", 20))
            self.assertEqual(ended.returncode, 0, ended.stderr)
            self.assertEqual(self.losses(f"run{number}"), whole)  # every line is JSON
            self.assertNotIn("step", (self.directory / f"run{number}/.lock").read_text())

    def test_lost_output_is_a_storage_failure(self):
        self.finish("run", "--steps", 2)
        run = str(self.directory / "run")
        commands = [[str(programs.BIN / "generate"), run, "--prompt", "ab", "--tokens", "3"]]
        if (programs.BIN / "ripieno").exists():
            commands.append([str(programs.BIN / "ripieno"), "inspect", run])
            self.finish("other", "--steps", 3)
            commands.append([str(programs.BIN / "ripieno"), "diff", run, str(self.directory / "other")])
        for command in commands:
            self.assert_output_is_lost(self.in_shell("> /dev/full", command))

    def test_training_continues_if_progress_has_no_reader(self):
        whole = self.finish("whole", "--steps", 20)
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(self.verbose("run", "--steps", 20), stdout=writing, stderr=subprocess.PIPE, text=True)
        os.close(writing)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertRegex(ended.stderr, "^progress cannot be shown .Broken pipe.")
        self.assertEqual(self.losses("run"), whole)
        self.assertEqual(self.checkpoints("run")[-1].name, "step_00000020")
        self.assertEqual(self.in_shell("> /dev/full", self.verbose("full", "--steps", 20)).returncode, 0)

    def test_a_limit_on_file_sizes_is_reported(self):
        limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        ended = subprocess.run(self.command("run", "--steps", 20), capture_output=True, text=True, timeout=1000,
                               preexec_fn=limited)
        self.assertEqual(ended.returncode, 74, ended.stderr)
        self.assertIn("File too large", ended.stderr)


if __name__ == "__main__":
    unittest.main()
