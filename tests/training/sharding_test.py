"""Runs with optimizer state, or gradients too, sharded over the ranks of mpirun."""
import json
import unittest

import programs


class Sharding(programs.ProgramTest):
    STEPS = 40

    def finish_sharded(self, run, shard, *arguments, ranks):
        self.finish(run, "--set", f"parallel.shard={shard}", "--set", "parallel.bucket_bytes=2048",
                    "--set", "train.gradient_clip=0.5", *arguments, ranks=ranks)
        return self.losses(run)

    def assert_near(self, losses, expected):
        self.assertEqual(losses.keys(), expected.keys())
        for step, loss in expected.items():
            self.assertAlmostEqual(losses[step], loss, delta=1e-5 * loss, msg=f"step {step}")

    def memory(self, run):
        return json.loads((self.directory / run / "run.json").read_text())["starts"][-1]["memory"]

    @programs.needs_mpi
    def test_losses_equal_those_without_shards(self):
        expected = self.finish_sharded("none", "none", ranks=3)
        for shard in ("optimizer", "gradients"):
            for micro_batch_size in (0, 1):  # 3, 3 and 2 rows per rank
                losses = self.finish_sharded(f"{shard}_{micro_batch_size}", shard, "--set",
                                             f"train.micro_batch_size={micro_batch_size}", ranks=3)
                self.assert_near(losses, expected)

    @programs.needs_mpi
    def test_a_run_continues_on_other_ranks_with_and_without_shards(self):
        expected = self.finish_sharded("whole", "none", ranks=1)
        for shard in ("optimizer", "gradients"):
            run = f"resumed_{shard}"
            self.finish_sharded(run, shard, "--steps", 13, ranks=3)
            self.finish_sharded(run, "none", "--steps", 27, ranks=2)
            self.assert_near(self.finish_sharded(run, shard, ranks=2), expected)

    @programs.needs_mpi
    def test_the_run_record_shows_how_memory_shrinks(self):
        kept = {}
        for shard in ("none", "optimizer", "gradients"):
            self.finish_sharded(shard, shard, "--steps", 1, ranks=2)
            kept[shard] = self.memory(shard)["persistent_bytes_per_parameter"]
        self.assertGreater(kept["none"], kept["optimizer"])
        self.assertGreater(kept["optimizer"], kept["gradients"])

    def test_modes_that_cannot_be_sharded_are_rejected(self):
        for wrong in ("parallel.strict=true", "parallel.diloco_steps=5"):
            ended = self.train("run", "--set", "parallel.shard=optimizer", "--set", wrong)
            self.assertEqual(ended.returncode, 78)
            self.assertIn("parallel.shard cannot be combined with parallel.strict", ended.stderr)


if __name__ == "__main__":
    unittest.main()
