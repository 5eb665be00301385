#!/usr/bin/env python3
"""Cuts the power of a real file system while checkpoints are saved on it, and checks them.

Creates an ext4 or XFS file system in a sparse file. While a process saves one checkpoint after
another on it, FS_IOC_SHUTDOWN stops all writes at a random time; data in memory is lost, or the
journal is flushed first. Mounting it again replays the journal as after a power cut. Then the
newest intact checkpoint must be the last one that was reported as saved, even if that was after the
cut, or the one that was being saved, and all its values must be those of that save.

  power_cut.py --cuts N [--file-system ext4|xfs] [--commit rename|manifest] [--seed S]

Requires root, loop devices and RIPIENO_BIN in the environment. Prints "skipped=" and the reason if
it cannot run, otherwise a summary in JSON. Exits with 0 if every check passed.
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
# What is written before the cut: everything, only the journal, or nothing.
MOMENTS = {"after_a_sync": 0, "after_the_journal": 1, "at_once": 2}
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
IMAGE_BYTES = 320 << 20  # XFS requires at least 300 MiB; the file is sparse


class Skipped(Exception):
    """This machine cannot run the test."""


class Lost(Exception):
    """A check failed."""


def command(*words):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True)


def require(*words):
    done = command(*words)
    if done.returncode != 0:
        raise Skipped(f"{' '.join(map(str, words))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


class Disk:
    """A mounted file system in a file."""

    def __init__(self, kind, directory, cleanup):
        self.kind, self.mount_point = kind, directory / "disk"
        self.mount_point.mkdir()
        image = directory / "image"
        with open(image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        require(*MAKE[kind], image)
        self.device = require("losetup", "--find", "--show", image)
        cleanup.callback(command, "losetup", "--detach", self.device)
        self.mount()
        cleanup.callback(self.detach)

    def mount(self):
        require("mount", "-t", self.kind, self.device, self.mount_point)

    def unmount(self):
        """Retries, because a process that has just ended may still keep it busy."""
        for _ in range(200):
            done = command("umount", self.mount_point)
            if done.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(done.stderr)

    def detach(self):
        if os.path.ismount(self.mount_point) and command("umount", self.mount_point).returncode != 0:
            command("umount", "--lazy", self.mount_point)

    def cut_power(self, moment):
        disk = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(disk, FS_IOC_SHUTDOWN, struct.pack("I", MOMENTS[moment]))
        finally:
            os.close(disk)

    def restart(self):
        self.unmount()
        self.mount()


class PowerCuts:
    def __init__(self, program, generator, commit):
        self.program, self.random, self.commit = program, generator, commit
        self.counts = {"cuts": 0, "during_a_save": 0, "the_old": 0, "the_new": 0, "saves": 0, "rejected": 0,
                       **dict.fromkeys(MOMENTS, 0)}

    def on(self, disk, cuts):
        checkpoints = disk.mount_point / "checkpoints"
        saved = 1  # number of the newest save; the first save is number 2, of step 1
        for _ in range(cuts):
            reported = self.cut_once(disk, checkpoints, saved)
            disk.restart()
            saved = self.check(checkpoints, reported)

    def cut_once(self, disk, checkpoints, saved):
        """Returns the number of the last save that was reported."""
        ranks, kilobytes = self.random.randint(1, 3), self.random.choice([1, 100, 2000])
        saving = subprocess.Popen([self.program, "save", checkpoints, str(ranks), str(saved + 1), str(kilobytes),
                                   self.commit], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            if self.random.random() < 0.7:
                first = saving.stdout.readline()
                self.counts["saves"] += 1
                saved = int(first or saved)
            time.sleep(self.random.uniform(0, 0.15))
            moment = self.random.choice(list(MOMENTS))
            self.counts["during_a_save"] += any(
                not (path / "manifest.json").exists() for path in checkpoints.glob("step_*"))
            disk.cut_power(moment)
            reports, errors = saving.communicate(timeout=600)
        finally:
            saving.kill()
            saving.wait()
        if saving.returncode != 0:
            raise Lost(f"the saving process exited with {saving.returncode}: {errors}")
        self.counts["cuts"] += 1
        self.counts[moment] += 1
        self.counts["saves"] += len(reports.split())
        return max([saved, *map(int, reports.split())])

    def check(self, checkpoints, reported):
        """Returns the number of the newest intact save."""
        if not checkpoints.exists():  # the power was cut during the first save
            checkpoints.mkdir()
        checked = command(self.program, "check", checkpoints)
        if checked.returncode != 0:
            raise Lost(checked.stderr)
        found = int(checked.stdout)
        self.counts["rejected"] += len(checked.stderr.splitlines())
        if found == 0 and reported == 1:
            return reported
        if found not in (reported, reported + 1):
            raise Lost(f"the last reported save is {reported}, but the newest intact one is {found}: {checked.stderr}")
        self.counts["the_old" if found == reported else "the_new"] += 1
        return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--file-system", choices=MAKE, action="append")
    parser.add_argument("--commit", choices=["rename", "manifest"], default="rename", help="how a save is committed")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    program = pathlib.Path(os.environ["RIPIENO_BIN"]) / "save_until_cut"
    kinds = arguments.file_system or list(MAKE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the disks are unmounted
    status = 0
    for number, kind in enumerate(kinds):
        power_cuts = PowerCuts(program, random.Random(arguments.seed), arguments.commit)
        cuts = arguments.cuts // len(kinds) + (number < arguments.cuts % len(kinds))
        began, lost = time.monotonic(), ""
        with contextlib.ExitStack() as cleanup:
            directory = pathlib.Path(tempfile.mkdtemp(prefix="ripieno_power_"))
            cleanup.callback(shutil.rmtree, directory, ignore_errors=True)
            try:
                if os.geteuid() != 0:
                    raise Skipped("mounting requires root")
                power_cuts.on(Disk(kind, directory, cleanup), cuts)
            except (Skipped, FileNotFoundError) as reason:
                print(f"skipped={kind}: {reason}")
                continue
            except Lost as failure:
                lost, status = str(failure), 1
        print(json.dumps({"file_system": kind, "commit": arguments.commit, "seed": arguments.seed, **power_cuts.counts,
                          "seconds": round(time.monotonic() - began), "lost": lost}))
    return status


if __name__ == "__main__":
    sys.exit(main())
