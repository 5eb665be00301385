"""deploy/slurm.sbatch on two hosts with Slurm, if it is installed. Runs under `hosts.sh within`."""
import os
import pathlib
import shutil
import subprocess
import time
import unittest

import cluster_test
import programs

SCRIPT = pathlib.Path(__file__).parents[2] / "deploy/slurm.sbatch"
FOLDER = pathlib.Path("/dev/shm/slurm")  # separate for head and for each host
CONFIGURATION = """
ClusterName=hosts
SlurmctldHost=head
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}
SlurmctldLogFile={folder}/controller.log
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/daemon.pid
SlurmdSpoolDir={folder}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
SlurmdParameters=config_overrides
SlurmdTimeout=15
ReturnToService=2
KillWait=5
OverTimeLimit=0
NodeName=h[1-2] CPUs=1
PartitionName=all Nodes=ALL Default=YES
"""


def output_of(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=300).stdout


@unittest.skipUnless(shutil.which("slurmctld") and shutil.which("slurmd"), "Slurm is not installed")
class Slurm(cluster_test.ClusterTest):
    STEPS = 40000

    def setUp(self):
        super().setUp()
        configuration = self.directory / "slurm.conf"
        configuration.write_text(CONFIGURATION.format(folder=FOLDER))
        (self.directory / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        os.environ["SLURM_CONF"] = str(configuration)
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        subprocess.run(["slurmctld"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for host in ("h1", "h2"):
            self.start_daemon(host)
        self.wait_until(self.both_are_idle)

    def start_daemon(self, host):
        cluster_test.hosts("on", host, f"mount -t tmpfs none /sys/fs/cgroup && rm -rf {FOLDER} && mkdir {FOLDER} && "
                           f"slurmd -f {os.environ['SLURM_CONF']} -N {host} >/dev/null 2>&1 </dev/null")

    def both_are_idle(self):
        return output_of("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2"

    def wait_until(self, holds):
        until = time.monotonic() + 60
        while not holds():
            self.assertLess(time.monotonic(), until, output_of("scontrol", "show", "job") + self.log())
            time.sleep(0.2)

    def log(self):
        return "".join(path.read_text() for path in self.directory.glob("slurm-*.log"))

    def tearDown(self):
        subprocess.run(["scontrol", "shutdown"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)  # until the daemons have ended

    def submit(self, *options):
        train = programs.ProgramTest.command(self, "run")
        words = ["sbatch", "--parsable", "--nodes=2", "--chdir", str(self.directory), *options, str(SCRIPT), *train]
        submitted = subprocess.run(words, capture_output=True, text=True, timeout=300)
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        return submitted.stdout.strip()

    def test_a_job_that_gets_usr1_saves_is_requeued_and_continues(self):
        job = self.submit()
        self.wait_until(lambda: self.lines("run") > 20)
        subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
        self.wait_until(lambda: "launch 1 exited with 75" in self.log())
        saved = len(self.losses("run"))
        self.assertEqual(int(self.checkpoints("run")[-1].name[len("step_"):]), saved)
        state = output_of("scontrol", "show", "job", job)
        self.assertRegex(state, "Restarts=1")
        self.assert_it_continues(job)

    def assert_it_continues(self, job):
        """After it was requeued. Slurm delays such jobs by two minutes, in which the hosts can clean up."""
        before = len(self.losses("run"))
        self.wait_until(self.both_are_idle)
        time.sleep(5)
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)
        self.wait_until(lambda: len(self.losses("run")) > before + 20)
        subprocess.run(["scancel", job], check=True)

    def test_a_job_whose_host_loses_power_is_requeued_and_continues(self):
        job = self.submit()
        self.wait_until(lambda: self.lines("run") > 20)
        cluster_test.hosts("kill", "h2")
        self.wait_until(lambda: "Restarts=1" in output_of("scontrol", "show", "job", job))
        self.assertGreater(len(self.checkpoints("run")), 0)
        cluster_test.hosts("start", "h2")
        self.start_daemon("h2")
        self.assert_it_continues(job)


if __name__ == "__main__":
    unittest.main()
