#!/usr/bin/env python3
"""Installs a build, moves the install, and builds, installs and runs an external project."""
import argparse
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} exited with {done.returncode}:\n{done.stdout}")
    return done.stdout


def leave_stale_kernels(install):
    """Creates files that an earlier build or release may have left where the loader looks first."""
    library = next(install.rglob("libripieno_kernels_cpu.so"))
    names = [library.name, re.sub(r"-[0-9a-f]+$", "-00000000", library.resolve().name)]
    for level in ("v2", "v3", "v4"):
        folder = library.parent / "glibc-hwcaps" / f"x86-64-{level}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_text("stale")


def require_learned(output):
    if output.split()[-1:] != ["learned"]:
        sys.exit(f"the external program printed: {output}")


def configure(a, project, install, build, *options):
    return [a.cmake, "-S", project, "-B", build, "-G", a.generator, f"-DCMAKE_CXX_COMPILER={a.compiler}",
            f"-DCMAKE_PREFIX_PATH={install}", *options]


def configure_external_project(a, install, build, *options):
    return configure(a, HERE / "external_project", install, build, *options)


def test_pkg_config(a, install, scratch):
    """The flags of pkg-config suffice to link the program, which then finds its shared library."""
    pkg_config = ["env", f"PKG_CONFIG_PATH={next(install.rglob('ripieno.pc')).parent}", "pkg-config"]
    flags = shlex.split(run(*pkg_config, "--cflags", "--libs", "ripieno"))
    program = scratch / "by_pkg_config"
    run(a.compiler, "-std=c++20", HERE / "external_project/main.cpp", *flags, f"-I{HERE}/external_project/other", "-o", program)
    require_learned(run(program, cwd=scratch))


def test_own_operation(a, install, build):
    """An operation with its own kernels, for the CPU and for GPUs, is built outside the tree."""
    cuda = [f"-DCMAKE_CUDA_COMPILER={a.cuda_compiler}", "-DCMAKE_CUDA_ARCHITECTURES=80"] if a.cuda_compiler else []
    run(*configure(a, HERE.parents[1] / "examples/own_operation", install, build, *cuda))
    run(a.cmake, "--build", build)
    errors = [float(line.split()[-1]) for line in run(build / "own_operation").splitlines()]
    if len(errors) != 2 or max(errors) > 1e-7:
        sys.exit(f"the errors of the operation are {errors}")


def test_an_unknown_component(a, install, build):
    """Is refused with the names of those that exist, if it is required."""
    configure = configure_external_project(a, install, build, "-DCOMPONENTS=training;optimizers")
    done = subprocess.run([str(word) for word in configure], capture_output=True, text=True)
    message = " ".join(done.stderr.split())
    if "unknown component optimizers; available: kernels;core;distributed;io;training" not in message:
        sys.exit(f"an unknown component must be named; found: {message}")
    run(*configure_external_project(a, install, build, "-DCOMPONENTS=training;OPTIONAL_COMPONENTS;optimizers"))


def test_another_json(a, install, scratch):
    """Another version of nlohmann/json, which would give undefined symbols, is named when compiling."""
    other = scratch / "other_json"
    shutil.rmtree(other, ignore_errors=True)
    (other / "nlohmann/detail").mkdir(parents=True)
    (other / "nlohmann/json_fwd.hpp").write_text(
        "#define NLOHMANN_JSON_VERSION_MAJOR 2\n#define NLOHMANN_JSON_VERSION_MINOR 1\n"
        "#define NLOHMANN_JSON_VERSION_PATCH 0\nnamespace nlohmann { class json; }\n")
    source = scratch / "other_json.cpp"
    source.write_text('#include "ripieno/io/run/report.h"\n')
    include = next(install.rglob("ripieno.h")).parents[1]
    command = [a.compiler, "-std=c++20", "-fsyntax-only", f"-I{other}", f"-I{include}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "ripieno was built with nlohmann/json" not in done.stderr:
        sys.exit(f"another version of nlohmann/json must be named; found: {done.stderr}")


def parse_arguments():
    arguments = argparse.ArgumentParser()
    for name in ("build", "scratch", "cmake", "generator", "compiler"):
        arguments.add_argument(f"--{name}", required=True)
    arguments.add_argument("--cuda-compiler", default="")
    return arguments.parse_args()


def main():
    a = parse_arguments()
    scratch = pathlib.Path(a.scratch)
    first, moved, build = scratch / "installed", scratch / "moved elsewhere", scratch / "external_build"
    installed, own_operation, unknown_component = (
        scratch / name for name in ("external_installed", "own_operation", "unknown_component"))
    for folder in (first, moved, build, installed, own_operation, unknown_component):
        shutil.rmtree(folder, ignore_errors=True)

    run(a.cmake, "--install", a.build, "--prefix", first)
    first.rename(moved)
    run(*configure_external_project(a, moved, build, f"-DCMAKE_INSTALL_PREFIX={installed}"))
    run(a.cmake, "--build", build)
    leave_stale_kernels(moved)
    require_learned(run(build / "external_project", cwd=scratch))
    run(a.cmake, "--install", build)
    require_learned(run(installed / "bin/external_project", cwd=scratch))
    test_own_operation(a, moved, own_operation)
    test_an_unknown_component(a, moved, unknown_component)
    test_another_json(a, moved, scratch)
    if shutil.which("pkg-config"):
        test_pkg_config(a, moved, scratch)

    texts = [path for path in moved.rglob("*") if path.suffix in {".cmake", ".h", ".pc"}]
    tied = [str(path) for path in texts if str(pathlib.Path(a.build).resolve()) in path.read_text()]
    if tied:
        sys.exit("installed files contain the path of the build folder: " + ", ".join(tied))


if __name__ == "__main__":
    main()
