"""Two ranks on one GPU over NCCL: slow, but with the same collectives as on several GPUs."""
import unittest

import programs

# NCCL accepts ranks on one GPU if their host ids differ; they then communicate through sockets.
WITH_HOST_ID = """#!/bin/sh
NCCL_HOSTID=rank$OMPI_COMM_WORLD_RANK exec "$@"
"""
NCCL = {"RIPIENO_SHARE_GPU": "1", "NCCL_MAX_CTAS": "4", "NCCL_SOCKET_IFNAME": "lo"}


class SharedGpu(programs.ProgramTest):
    STEPS = 20
    ON_GPU = True

    def setUp(self):
        super().setUp()
        programs.require_gpu(self)
        self.with_host_id = self.directory / "with_host_id.sh"
        self.with_host_id.write_text(WITH_HOST_ID)
        self.with_host_id.chmod(0o755)

    def command(self, run, *arguments, ranks=0, configuration=None):
        command = super().command(run, *arguments, ranks=ranks, configuration=configuration)
        return command[:2] + [str(self.with_host_id), *command[2:]] if ranks else command

    @programs.needs_mpi
    def test_two_ranks_train_like_one(self):
        expected = self.finish("one", "--device", "cuda")
        self.set_environment(**NCCL)
        losses = self.finish("two", "--device", "cuda", ranks=2)
        self.assertEqual(losses.keys(), expected.keys())
        for step, loss in expected.items():
            self.assertAlmostEqual(losses[step], loss, delta=1e-4, msg=f"step {step}")


if __name__ == "__main__":
    unittest.main()
