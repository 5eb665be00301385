#!/usr/bin/env python3
"""The bill of materials has what CycloneDX 1.5 requires, every dependency of docs/licences.md that this build
uses, the versions that are installed here, and nothing that differs between two builds."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LICENSE_IDS = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MPL-2.0"}
LICENSE_EXPRESSIONS = {"GPL-3.0-or-later WITH GCC-exception-3.1", "Apache-2.0 WITH LLVM-exception"}


def require(holds, what):
    if not holds:
        sys.exit(f"ripieno.cdx.json: {what}")


def check_license(choice, where):
    kinds = set(choice)
    require(kinds in ({"license"}, {"expression"}), f"{where}: a license choice has {kinds}")
    if "expression" in choice:
        require(choice["expression"] in LICENSE_EXPRESSIONS, f"{where}: unknown expression {choice['expression']}")
        return
    require(set(choice["license"]) in ({"id"}, {"name"}), f"{where}: a license has either an id or a name")
    require(choice["license"].get("id", "MIT") in LICENSE_IDS, f"{where}: unknown license {choice['license']}")


def check_component(component):
    where = component.get("name", component)
    require({"type", "name"} <= set(component), f"{where}: type and name are required")
    require(component["type"] in ("library", "application"), f"{where}: type {component['type']}")
    require(re.fullmatch(r"[0-9]+(\.[0-9]+)*", component.get("version", "")), f"{where}: {component.get('version')}")
    require(component["purl"] == f"pkg:generic/{component['bom-ref']}", f"{where}: purl {component['purl']}")
    require(len(component["licenses"]) == 1, f"{where}: one license choice")
    check_license(component["licenses"][0], where)


def check_form(bom):
    require(bom["bomFormat"] == "CycloneDX" and bom["specVersion"] == "1.5", "not CycloneDX 1.5")
    require(isinstance(bom["version"], int) and bom["version"] >= 1, "version must be a positive whole number")
    require(re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                         bom["serialNumber"]), f"serialNumber {bom['serialNumber']}")
    this, components = bom["metadata"]["component"], bom["components"]
    for component in [this, *components]:
        check_component(component)
    refs = [component["bom-ref"] for component in components]
    require(len(set(refs)) == len(refs) > 0, "references must be unique")
    require(bom["dependencies"] == [{"ref": this["bom-ref"], "dependsOn": refs}], "dependencies must name all components")


def check_against_the_table(bom):
    """Each component is in the table of licenses, under the same license."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", (ROOT / "docs/licences.md").read_text(), re.M)
    table = {re.sub(r"\W+", "", re.sub(r"\]\(.*?\)|\(.*?\)", "", name)).lower(): license for name, license in rows}
    names = {"fmt": "fmt", "nlohmann-json": "nlohmannjson", "tomlplusplus": "toml",
             "GCC runtime libraries": "gccslibstdcandlibgomp", "CUDA toolkit": "cudaruntimeandcublaslt",
             "CUB of the CUDA toolkit": "cub", "NVTX of the CUDA toolkit": "nvtx"}
    for component in bom["components"]:
        name = names.get(component["name"], re.sub(r"\W+", "", component["name"]).lower())
        require(name in table, f"{component['name']} is not in docs/licences.md, which has {sorted(table)}")
        choice = component["licenses"][0]
        license = choice.get("expression") or choice["license"].get("id") or choice["license"]["name"]
        first = re.split(r"[ -]", license)[0]
        require(first in table[name], f"{component['name']}: {license}, but docs/licences.md says {table[name]}")


def check_against_the_system(bom):
    """Versions agree with pkg-config, where it knows the library."""
    versions = {component["name"]: component["version"] for component in bom["components"]}
    for name, package in (("fmt", "fmt"), ("xxHash", "libxxhash"), ("nlohmann-json", "nlohmann_json"),
                          ("Open MPI", "ompi"), ("Eigen", "eigen3")):
        asked = subprocess.run(["pkg-config", "--modversion", package], capture_output=True, text=True)
        if name in versions and asked.returncode == 0:
            require(versions[name] == asked.stdout.strip(), f"{name} is {asked.stdout.strip()}, not {versions[name]}")


def check_it_is_the_same_again(cmake, build, written):
    """Written again, from the cache of this build, it has the same bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        arguments = []
        cache = (pathlib.Path(build) / "CMakeCache.txt").read_text()
        for name, kind, value in re.findall(r"^(RIPIENO_\w+|CMAKE_BUILD_TYPE|CMAKE_C\w*_COMPILER):(\w+)=(.*)$", cache, re.M):
            arguments.append(f"-D{name}:{kind}={value}")
        generator = re.search(r"^CMAKE_GENERATOR:INTERNAL=(.*)$", cache, re.M)[1]
        subprocess.run([cmake, "-S", ROOT, "-B", scratch, "-G", generator, *arguments, "-DRIPIENO_TESTS=OFF",
                        "--no-warn-unused-cli"],
                       check=True, stdout=subprocess.DEVNULL)
        again = (pathlib.Path(scratch) / "generated/ripieno.cdx.json").read_bytes()
    require(again == written, "another build of the same sources wrote other bytes")


def main():
    cmake, build = sys.argv[1:]
    written = (pathlib.Path(build) / "generated/ripieno.cdx.json").read_bytes()
    require(str(ROOT).encode() not in written and build.encode() not in written, "contains a path of this machine")
    bom = json.loads(written)
    check_form(bom)
    check_against_the_table(bom)
    check_against_the_system(bom)
    check_it_is_the_same_again(cmake, build, written)


if __name__ == "__main__":
    main()
