#!/usr/bin/env python3
"""Cuts the power of a real file system while checkpoints are saved on it, and checks what is there afterwards.

A fresh ext4 or XFS lies in a sparse file. While a process saves one checkpoint after the other there,
FS_IOC_SHUTDOWN takes the disk away at a random moment: nothing more is written, with what was in memory lost
or the journal flushed first. Unmounted and mounted again, the journal is replayed as after a power cut. Then the
newest intact checkpoint must be the last that was reported as saved, even if that was after the cut, or the one
that was being saved just then, and all its numbers of that save.

  power_cut.py --cuts N [--file-system ext4|xfs] [--commit rename|manifest] [--seed S]

Needs root, loop devices and RIPIENO_BIN; where it cannot run it says skipped= and why. Prints a summary in JSON;
the status is 0 where all of it holds.
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
# What is done before the disk goes away: all is written; the journal is; nothing is.
MOMENTS = {"after_a_sync": 0, "after_the_journal": 1, "at_once": 2}
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
IMAGE_BYTES = 320 << 20  # the least that XFS takes is 300 MiB; the file is sparse


class Skipped(Exception):
    """The machine cannot do it."""


class Lost(Exception):
    """What must never happen."""


def command(*words):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True)


def require(*words):
    done = command(*words)
    if done.returncode != 0:
        raise Skipped(f"{' '.join(map(str, words))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


class Disk:
    """A file system in a file, mounted."""

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
        cleanup.callback(self.take_away)

    def mount(self):
        require("mount", "-t", self.kind, self.device, self.mount_point)

    def unmount(self):
        """A process that was just ended may hold it for a moment."""
        for _ in range(200):
            done = command("umount", self.mount_point)
            if done.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(done.stderr)

    def take_away(self):
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
    def __init__(self, program, chance, commit):
        self.program, self.chance, self.commit = program, chance, commit
        self.counts = {"cuts": 0, "during_a_save": 0, "the_old": 0, "the_new": 0, "saves": 0, "rejected": 0,
                       **dict.fromkeys(MOMENTS, 0)}

    def on(self, disk, cuts):
        checkpoints = disk.mount_point / "checkpoints"
        saved = 1  # the number of the newest save so far; the first of them is 2, of step 1
        for _ in range(cuts):
            reported = self.cut_once(disk, checkpoints, saved)
            disk.restart()
            saved = self.check(checkpoints, reported)

    def cut_once(self, disk, checkpoints, saved):
        """The number of the save that was last reported."""
        ranks, kilobytes = self.chance.randint(1, 3), self.chance.choice([1, 100, 2000])
        saving = subprocess.Popen([self.program, "save", checkpoints, str(ranks), str(saved + 1), str(kilobytes),
                                   self.commit], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            if self.chance.random() < 0.7:
                first = saving.stdout.readline()
                self.counts["saves"] += 1
                saved = int(first or saved)
            time.sleep(self.chance.uniform(0, 0.15))
            moment = self.chance.choice(list(MOMENTS))
            self.counts["during_a_save"] += any(
                not (path / "manifest.json").exists() for path in checkpoints.glob("step_*"))
            disk.cut_power(moment)
            reports, errors = saving.communicate(timeout=600)
        finally:
            saving.kill()
            saving.wait()
        if saving.returncode != 0:
            raise Lost(f"the saving process ended with {saving.returncode}: {errors}")
        self.counts["cuts"] += 1
        self.counts[moment] += 1
        self.counts["saves"] += len(reports.split())
        return max([saved, *map(int, reports.split())])

    def check(self, checkpoints, reported):
        """The number of the save that is found."""
        if not checkpoints.exists():  # the very first was cut
            checkpoints.mkdir()
        checked = command(self.program, "check", checkpoints)
        if checked.returncode != 0:
            raise Lost(checked.stderr)
        found = int(checked.stdout)
        self.counts["rejected"] += len(checked.stderr.splitlines())
        if found == 0 and reported == 1:
            return reported
        if found not in (reported, reported + 1):
            raise Lost(f"save {reported} was the last that was reported, save {found} is found: {checked.stderr}")
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the disks are taken away
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
                    raise Skipped("only root may mount")
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
