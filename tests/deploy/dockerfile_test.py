#!/usr/bin/env python3
"""Runs the steps of deploy/Dockerfile in a bare Debian, made by debootstrap, and then its entry point as its user.

    dockerfile_test.py --build FOLDER --cmake PROGRAM --scratch FOLDER

Skipped without root, debootstrap or access to the mirror of Debian that RIPIENO_DEBIAN_MIRROR names.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
MIRROR = os.environ.get("RIPIENO_DEBIAN_MIRROR")  # address of the packages of Debian
RUN = """
[model]
layers = 1
heads = 2
channels = 8
context = 16
[data]
path = "text.txt"
tokenizer = "bytes"
[schedule]
steps = 3
[train]
batch_size = 2
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} exited with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def instructions():
    """(name, arguments) of each instruction, continued lines joined and comments removed."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def why_not():
    if os.geteuid() != 0:
        return "requires root"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed"
    if not MIRROR:
        return "RIPIENO_DEBIAN_MIRROR is not set"
    try:
        urllib.request.urlopen(f"{MIRROR}/dists/bookworm/Release", timeout=20).close()
    except (urllib.error.URLError, OSError) as error:
        return f"no mirror of Debian: {error}"
    return None


class Image:
    """A folder that becomes what the Dockerfile describes."""

    def __init__(self, folder, context, build):
        self.folder, self.context, self.build = folder, context, build
        self.user, self.directory, self.entry_point = "root", "/", []

    def inside(self, user, *command):
        words = ["chroot", f"--userspec={user}:{user}", self.folder, "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:"
                 "/usr/sbin:/usr/bin:/sbin:/bin", f"HOME={'/root' if user == 'root' else '/home/' + user}",
                 "DEBIAN_FRONTEND=noninteractive",
                 *(f"{name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")),
                 "sh", "-e", "-c", f'cd {self.directory} && exec "$@"', "sh", *command]
        return run(*words)

    def add_cublas(self):
        """The library that a base image for a build with CUDA has."""
        libraries = run("ldd", self.build / "bin/train_gpt")
        if found := re.search(r"=> (/\S*libcublasLt\.so\.\S*)", libraries):
            shutil.copy(found[1], self.folder / "usr/lib")

    def apply(self, name, arguments):
        if name == "ARG":
            if arguments != "BASE=debian:12-slim":
                sys.exit(f"the test makes Debian 12, the Dockerfile starts from {arguments}")
        elif name == "FROM":
            run("debootstrap", "--variant=minbase", "bookworm", self.folder, MIRROR)
            for options in pathlib.Path("/etc/apt/apt.conf.d").glob("*proxy*"):  # this machine's way to the mirror
                shutil.copy(options, self.folder / "etc/apt/apt.conf.d")
            shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")
            self.add_cublas()
        elif name == "COPY":
            pattern, target = arguments.split()
            found = list(self.context.glob(pattern))
            if not found:
                sys.exit(f"COPY {pattern}: no such file in {self.context}")
            for path in found:
                shutil.copy(path, self.folder / target.lstrip("/"))
        elif name == "RUN":
            self.inside(self.user, "sh", "-c", arguments)
        elif name == "USER":
            self.user = arguments
        elif name == "WORKDIR":
            self.directory = arguments
        elif name in ("ENTRYPOINT", "CMD"):
            self.entry_point += json.loads(arguments)
        else:
            sys.exit(f"the test does not know the instruction {name}")


def check(image):
    """What users rely on: the entry point, the user, training, ssh on a port without privileges."""
    if image.user != "ripieno" or image.inside(image.user, "id", "-u").strip() == "0":
        sys.exit(f"the image runs as {image.user}")
    if "ripieno launch" not in image.inside(image.user, *image.entry_point):
        sys.exit("the entry point does not print its help")
    work = image.folder / "work"
    (work / "text.txt").write_text("to be or not to be " * 50)
    (work / "gpt.toml").write_text(RUN)
    entry = image.entry_point[:-1]
    image.inside(image.user, *entry, "-n", "2", "--", "train_gpt", "--config", "gpt.toml", "--device", "cpu", "--quiet")
    metrics = work / "runs/gpt/metrics.jsonl"
    if metrics.read_text().count("\n") < 3 or metrics.stat().st_uid != 1000:
        sys.exit(f"training wrote {metrics.read_text()} as user {metrics.stat().st_uid}")
    image.inside(image.user, "sh", "-c", "mkdir -p ~/.ssh && ssh-keygen -q -t rsa -N '' -f ~/.ssh/id_rsa && "
                 "cp ~/.ssh/id_rsa.pub ~/.ssh/authorized_keys && /usr/sbin/sshd -t -f /etc/ssh/sshd_ripieno.conf")
    settings = image.inside(image.user, "sh", "-c", "ssh -G worker-0; /usr/sbin/sshd -T -f /etc/ssh/sshd_ripieno.conf")
    for line in ("port 2222", "stricthostkeychecking false", "permitrootlogin", "passwordauthentication no"):
        if line not in settings:
            sys.exit(f"ssh has no setting {line}:\n{settings}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--build", "--cmake", "--scratch"):
        parser.add_argument(name, required=True)
    a = parser.parse_args()
    if reason := why_not():
        print(f"skipped: {reason}")
        return
    scratch = pathlib.Path(a.scratch) / "dockerfile_test"
    shutil.rmtree(scratch, ignore_errors=True)
    packages, folder = scratch / "packages", scratch / "image"
    folder.mkdir(parents=True)
    run(pathlib.Path(a.cmake).with_name("cpack"), "--config", f"{a.build}/CPackConfig.cmake", "-B", packages, "-G", "DEB",
        "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=none")
    image = Image(folder, packages, pathlib.Path(a.build))
    mounted = []
    try:
        for name, arguments in instructions():
            image.apply(name, arguments)
            if name == "FROM":  # its devices are files that debootstrap has made
                for kind, target in (("proc", "proc"), ("tmpfs", "dev/shm")):
                    run("mount", "-t", kind, "none", folder / target)
                    mounted.append(folder / target)
        check(image)
    finally:
        for target in mounted:
            run("umount", "--lazy", target)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
