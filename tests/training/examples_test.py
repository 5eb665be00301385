"""The example programs work as described."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

import programs

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Examples(programs.ProgramTest):
    def run_in_directory(self, *command, **options):
        return subprocess.run([str(word) for word in command], cwd=self.directory, capture_output=True,
                              text=True, timeout=2500, **options)

    def test_fit_a_line_finds_it(self):
        ended = self.run_in_directory(programs.BIN / "fit_a_line")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertRegex(ended.stdout, r"y = (2\.0|1\.9)\d x \+ (1\.0|0\.9)\d\n$")

    def test_fit_a_line_is_short(self):
        lines = (ROOT / "examples/fit_a_line.cpp").read_text().splitlines()
        self.assertLess(len(lines), 40)

    def test_the_custom_operation_has_the_right_gradients(self):
        ended = self.run_in_directory(programs.BIN / "custom_operation")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertLess(float(ended.stdout.split()[-1]), 1e-7)

    def test_the_custom_operation_is_short(self):
        lines = (ROOT / "examples/custom_operation.cpp").read_text().splitlines()
        self.assertLess(len(lines), 40)

    def test_the_custom_optimizer_finds_it(self):
        ended = self.run_in_directory(programs.BIN / "custom_optimizer")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertRegex(ended.stdout, r"y = (2\.0|1\.9)\d x \+ (1\.0|0\.9)\d\n$")

    def test_the_custom_optimizer_is_short(self):
        text = (ROOT / "examples/custom_optimizer.cpp").read_text()
        self.assertLess(len(text[text.index("class Lion"):text.index("int main")].splitlines()), 40)

    def run_example(self, name, ranks=1):
        launcher = [programs.MPIRUN, ranks] if ranks > 1 else []
        ended = self.run_in_directory(*launcher, programs.BIN / name)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return ended.stdout.splitlines()

    def assert_own_loop_continues(self, ranks):
        first, *losses = self.run_example("own_loop", ranks)
        self.assertEqual((first, len(losses)), ("starts after step 0", 5))
        shutil.rmtree(self.directory / "checkpoints/step_00000500")
        self.assertEqual(self.run_example("own_loop", ranks), ["starts after step 400", losses[-1]])
        self.assertEqual(self.run_example("own_loop", ranks), ["starts after step 500"])
        return [float(line.split()[1]) for line in losses]

    def test_the_own_loop_continues_with_the_same_bits(self):
        self.assert_own_loop_continues(ranks=1)

    @programs.needs_mpi
    def test_the_own_loop_continues_on_two_ranks_and_has_the_losses_of_one(self):
        losses = self.assert_own_loop_continues(ranks=2)
        shutil.rmtree(self.directory / "checkpoints")
        for two, one in zip(losses, self.run_example("own_loop")[1:], strict=True):
            self.assertAlmostEqual(two, float(one.split()[1]), delta=1e-5)

    @programs.needs_mpi
    def test_groups_of_a_program_with_its_own_mpi_train_apart(self):
        *groups, last = sorted(self.run_example("own_mpi", ranks=3), key=lambda line: line.startswith("the"))
        self.assertEqual(last, "the group of rank 0 is better")
        losses = {line.split()[2]: float(line.split()[-1]) for line in groups}
        self.assertLess(losses["0.01:"], 0.01)
        self.assertGreater(losses["0.0001:"], 0.1)

    def test_fine_tuning_loads_all_but_the_head_and_learns_more_when_the_encoder_is_thawed(self):
        *not_loaded, frozen, thawed = self.run_example("fine_tune")
        self.assertEqual([line.split()[3] for line in not_loaded], ["head.weight", "head.bias"])
        frozen, thawed = (float(line.split()[-1]) for line in (frozen, thawed))
        self.assertLess(thawed, frozen / 10)

    def test_examples_for_reading_are_short(self):
        for name in ("fine_tune", "own_loop", "own_mpi"):
            self.assertLess(len((ROOT / f"examples/{name}.cpp").read_text().splitlines()), 72, name)

    def test_the_readme_program_trains_saves_after_a_signal_and_continues(self):
        for steps in (3, 6):
            training = subprocess.Popen([str(programs.BIN / "train_small_gpt")], cwd=self.directory,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.wait_for_steps("runs/small_gpt", training, 3)
            training.send_signal(signal.SIGUSR1)
            output, errors = training.communicate()
            self.assertEqual((training.returncode, errors), (75, ""))
            self.assertIn("run the same command to continue", output)
            self.assertGreaterEqual(len(self.losses("runs/small_gpt")), steps)

    @programs.needs_mpi
    def test_the_readme_program_runs_on_two_ranks(self):
        training = subprocess.Popen(
            ["mpirun", "-n", "2", "--allow-run-as-root", "--oversubscribe", "--quiet", "--mca",
             "mpi_yield_when_idle", "1", str(programs.BIN / "train_small_gpt")],
            cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.wait_for_steps("runs/small_gpt", training, 3)
        training.send_signal(signal.SIGUSR1)
        errors = training.communicate()[1]
        self.assertEqual(training.returncode, 75, errors)

    def test_digits_are_classified(self):
        ended = self.run_in_directory(
            programs.BIN / "train_image_classifier", "--config", ROOT / "examples/configs/digits.toml",
            "--set", f"data.path={ROOT}/examples/data/digits.h5", "--run-dir", "run", "--quiet")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        lines = (self.directory / "run/metrics.jsonl").read_text().splitlines()
        self.assertGreaterEqual(json.loads(lines[-1])["accuracy"], 0.97)

    def test_sizes_of_a_model_have_a_maximum(self):
        for program, configuration, size in (("train_image_classifier", "digits", "model.hidden=[4611686018427387904]"),
                                             ("train_gpt", "gpt_char", "model.channels=4611686018427387904")):
            ended = self.run_in_directory(programs.BIN / program, "--config",
                                          ROOT / f"examples/configs/{configuration}.toml", "--set", size)
            self.assertEqual(ended.returncode, 78, ended.stderr)
            self.assertIn(size.partition("=")[0], ended.stderr)

    def test_every_configuration_is_valid(self):
        for configuration in (ROOT / "examples/configs").glob("*.toml"):
            is_of_images = re.search('kind = "(mlp|lenet|resnet)', configuration.read_text())
            program = "train_image_classifier" if is_of_images else "train_gpt"
            ended = self.run_in_directory(programs.BIN / program, "--config", configuration, "--set",
                                          "data.path=nowhere", "--run-dir", "run")
            self.assertEqual(ended.returncode, 78)
            self.assertIn("nowhere", ended.stderr)

    def test_help_lists_options_and_keys(self):
        for program in ("train_gpt", "train_image_classifier"):
            ended = self.run_in_directory(programs.BIN / program, "--help")
            self.assertEqual((ended.returncode, ended.stderr), (0, ""))
            for word in ("--run-dir", "--resume", "train.batch_size", "schedule.steps"):
                self.assertIn(word, ended.stdout)


if __name__ == "__main__":
    unittest.main()
