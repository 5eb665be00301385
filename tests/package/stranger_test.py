#!/usr/bin/env python3
"""Installs a build, moves the install, and builds and runs a project that knows nothing else of us."""
import argparse
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def main():
    arguments = argparse.ArgumentParser()
    for name in ("build", "scratch", "cmake", "generator", "compiler"):
        arguments.add_argument(f"--{name}", required=True)
    a = arguments.parse_args()
    scratch = pathlib.Path(a.scratch)
    first, moved, build = scratch / "installed", scratch / "moved elsewhere", scratch / "stranger_build"
    for folder in (first, moved, build):
        shutil.rmtree(folder, ignore_errors=True)

    run(a.cmake, "--install", a.build, "--prefix", first)
    first.rename(moved)
    run(a.cmake, "-S", HERE / "stranger", "-B", build, "-G", a.generator, f"-DCMAKE_CXX_COMPILER={a.compiler}",
        f"-DCMAKE_PREFIX_PATH={moved}")
    run(a.cmake, "--build", build)
    said = run(build / "stranger", cwd=scratch)
    if said.split()[-1:] != ["learned"]:
        sys.exit(f"the stranger's program said: {said}")

    texts = [path for path in moved.rglob("*") if path.suffix in {".cmake", ".h"}]
    tied = [str(path) for path in texts if str(pathlib.Path(a.build).resolve()) in path.read_text()]
    if tied:
        sys.exit("the install names the folder that it was built in: " + ", ".join(tied))


if __name__ == "__main__":
    main()
