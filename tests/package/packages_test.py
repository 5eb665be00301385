#!/usr/bin/env python3
"""Makes the packages, installs them by dpkg into a bare folder, runs the tool, and builds an external project, which
then runs without them."""
import os
import pathlib
import re
import shutil
import sys

from install_test import configure_external_project, parse_arguments, require_learned, run


def make_packages(a, packages):
    """The .deb of each package by its name, and the tarball; compressed little, to save time."""
    cpack = [pathlib.Path(a.cmake).with_name("cpack"), "--config", f"{a.build}/CPackConfig.cmake", "-B", packages]
    run(*cpack, "-G", "DEB", "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=none")
    run(*cpack, "-G", "TZST")
    debs = {run("dpkg-deb", "--field", deb, "Package").strip(): deb for deb in packages.glob("*.deb")}
    if sorted(debs) != ["libripieno-dev", "ripieno"]:
        sys.exit(f"cpack made the packages {sorted(debs)}")
    return debs, next(packages.glob("ripieno-*.tar.zst"))


def unpack(deb, root):
    """As root by dpkg, which refuses a file that another package has."""
    if os.geteuid():
        run("dpkg-deb", "--extract", deb, root)
        return
    state = root / "var/lib/dpkg"
    for folder in ("info", "updates", "triggers"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    run("dpkg", f"--root={root}", "--log=/dev/null", "--unpack", deb)


def test_dependencies(debs, version):
    """Those that this build was made with are installed here under the names that the packages require."""
    depends = {name: run("dpkg-deb", "--field", deb, "Depends").strip() for name, deb in debs.items()}
    for name, required in (("ripieno", "libc6 libhdf5 libfmt libxxhash"),
                           ("libripieno-dev", "ripieno libhdf5-dev libfmt-dev libxxhash-dev nlohmann-json3-dev")):
        names = re.findall(r"(?:^|, )([^ ,]+)", depends[name])
        missing = [word for word in required.split() if not any(found.startswith(word) for found in names)]
        if missing:
            sys.exit(f"{name} depends on {depends[name]}; {missing} are missing")
        run("dpkg-query", "--show", *(word for word in names if word != "ripieno"))
    if f"ripieno (= {version})" not in depends["libripieno-dev"]:
        sys.exit(f"libripieno-dev must depend on ripieno (= {version}), which has its shared library")


def test_programs(bin_folder, version):
    for program in ("ripieno", "train_gpt", "train_image_classifier", "generate"):
        output = run(bin_folder / program, "--version")
        if not output.startswith(f"{program} {version}\n"):
            sys.exit(f"{program} --version of a package of {version} printed: {output}")


def main():
    a = parse_arguments()
    missing = [tool for tool in ("dpkg", "dpkg-deb", "dpkg-query", "dpkg-shlibdeps") if not shutil.which(tool)]
    if missing:
        print(f"skipped: {', '.join(missing)} not found")
        return
    scratch = pathlib.Path(a.scratch) / "packages_test"
    shutil.rmtree(scratch, ignore_errors=True)
    root, installed = scratch / "root", scratch / "installed"
    root.mkdir(parents=True)

    debs, tarball = make_packages(a, scratch / "packages")
    version = run("dpkg-deb", "--field", debs["ripieno"], "Version").strip()
    test_dependencies(debs, version)
    unpack(debs["ripieno"], root)
    test_programs(root / "usr/bin", version)
    unpack(debs["libripieno-dev"], root)
    run(*configure_external_project(a, root / "usr", scratch / "build", f"-DCMAKE_INSTALL_PREFIX={installed}",
                                    "-DSHIP_KERNELS=ON"))
    run(a.cmake, "--build", scratch / "build")
    run(a.cmake, "--install", scratch / "build")
    shutil.rmtree(root)
    require_learned(run(installed / "bin/external_project", cwd=scratch))

    run(a.cmake, "-E", "tar", "xf", tarball, cwd=scratch)
    test_programs(next(scratch.glob("ripieno-*")) / "bin", version)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
