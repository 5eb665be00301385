#!/usr/bin/env python3
"""The programs in README.md and docs/ do what the pages say, alone and on two ranks."""
import json
import subprocess
import unittest

import programs


class Pages:
    """The tests that hold on any number of ranks."""

    RANKS = 1

    def run_program(self, name, ranks=None):
        """The output of the program, which ran in a directory of its own."""
        ranks = ranks or self.RANKS
        launcher = [programs.MPIRUN, str(ranks)] if ranks > 1 else []
        folder = self.directory / f"{name}_{ranks}"
        folder.mkdir(exist_ok=True)
        ended = subprocess.run([*launcher, programs.BIN / f"document_{name}"], cwd=folder,
                               capture_output=True, text=True, timeout=1100)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout

    def directory_of(self, name, ranks=None):
        """The run directory, to be used with values() and losses()."""
        return f"{name}_{ranks or self.RANKS}/runs/{name}"

    def train(self, name, steps, ranks=None):
        """Runs the program, which trains so many steps, and returns its losses. They fall."""
        self.run_program(name, ranks)
        losses = self.losses(self.directory_of(name, ranks))
        self.assertEqual(sorted(losses), list(range(1, steps + 1)))
        last = [losses[step] for step in range(steps - 9, steps + 1)]
        self.assertLess(sum(last) / 10, 0.75 * losses[1])
        return losses

    def test_a_loop_with_replayed_steps_learns(self):
        self.train("train_on_gpus", 200)

    def test_the_classifier_of_the_readme_learns(self):
        self.train("readme", 100)

    def test_the_loop_from_pytorch_learns_with_the_schedule(self):
        self.train("from_pytorch", 100)
        rates = self.values(self.directory_of("from_pytorch"), "learning_rate")
        self.assertAlmostEqual(rates[10], 1e-2)
        self.assertLess(rates[100], rates[50])

    def test_the_names_from_pytorch_do_what_the_table_says(self):
        self.run_program("pytorch_names")

    def test_what_is_typed_in_pytorch_means_the_same(self):
        self.run_program("pytorch_spelling")

    def test_a_bfloat16_wire_learns(self):
        self.train("from_one_machine_to_many", 100)

    def test_every_rank_takes_part(self):
        lines = self.run_program("ranks").splitlines()
        self.assertEqual([line.split(":")[0] for line in lines[:-1]],
                         [f"rank {rank}" for rank in range(self.RANKS)])
        self.assertEqual(lines[-1], f"{self.RANKS} of {self.RANKS} ranks took part")

    def test_a_checkpoint_loads_with_the_values_that_were_saved(self):
        self.run_program("load_a_checkpoint")

    def test_own_metrics_are_in_the_file_and_the_progress_line(self):
        output = self.run_program("metrics")
        run = self.directory_of("metrics")
        for name in ("kl", "reward"):
            self.assertEqual(len(self.values(run, name)), 100)
        accuracy, top_5 = (self.values(run, name) for name in ("accuracy", "top_5"))
        self.assertEqual(sorted(accuracy), [50, 100])
        self.assertTrue(0.5 < accuracy[100] < top_5[100] <= 1)
        self.assertRegex(output, r"step 100/100 .* kl [\d.]+  gradient_norm [\d.]+ ")

    def test_the_flight_record_has_each_rank(self):
        lines = [line for line in self.run_program("flight_record").splitlines() if line]
        for rank in range(self.RANKS):
            self.assertRegex(lines[rank], rf"^{rank} on \S+: step \d+, in \w+")

    def test_a_profile_of_a_loop_has_its_steps_and_ranks(self):
        output = self.run_program("performance")
        self.assertIn(f"profile of steps 10 to 19: ", output)
        trace = json.loads((self.directory / f"performance_{self.RANKS}/trace.json").read_text())
        steps = [event["pid"] for event in trace["traceEvents"] if event.get("cat") == "step"]
        self.assertEqual(steps, [rank for rank in range(self.RANKS) for _ in range(10)])

    def test_each_sample_is_read_once_by_one_rank(self):
        self.run_program("read_your_own_data")

    def test_a_background_save_has_the_values_of_its_step(self):
        self.run_program("save_a_checkpoint")

    def test_strict_mode_learns(self):
        self.train("train_in_parallel", 100)

    def test_the_first_model_learns_and_a_further_start_trains_nothing(self):
        losses = self.train("first_model", 500)
        self.run_program("first_model")
        self.assertEqual(self.losses(self.directory_of("first_model")), losses)

    def test_the_own_model_learns_with_its_metrics_data_set_and_optimizer(self):
        self.run_program("own_model")
        run = self.directory_of("own_model")
        validation, near = (self.values(run, name) for name in ("validation_loss", "within_a_tenth"))
        self.assertEqual(sorted(validation), [500, 1000, 1500, 2000])
        self.assertLess(validation[2000], 0.7 * self.losses(run)[1])
        self.assertGreater(near[2000], 0.9)
        self.assertGreaterEqual(self.values(run, "within_a_half")[2000], near[2000])


class Alone(Pages, programs.ProgramTest):
    def test_weights_load_under_other_names(self):
        self.run_program("save_load_convert")

    def test_what_does_not_match_is_not_loaded(self):
        output = self.run_program("save_and_load")
        self.assertRegex(output, r"^not loaded: .*weight .*\nnot loaded: .*bias .*\n$")
        self.assertTrue((self.directory / "save_and_load_1/checkpoints/step_00000100").exists())


@programs.needs_mpi
class OnTwoRanks(Pages, programs.ProgramTest):
    RANKS = 2

    def test_strict_mode_has_the_same_losses_as_on_one_rank(self):
        self.assertEqual(self.train("train_in_parallel", 100),
                         self.train("train_in_parallel", 100, ranks=1))

    def test_the_losses_are_those_of_one_rank_up_to_rounding(self):
        for name, steps in (("readme", 100), ("from_pytorch", 100), ("first_model", 500)):
            alone = self.train(name, steps, ranks=1)
            for step, loss in self.train(name, steps).items():
                self.assertAlmostEqual(loss, alone[step], delta=0.02 * loss + 1e-4)


if __name__ == "__main__":
    unittest.main()
