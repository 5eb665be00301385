#!/usr/bin/env python3
"""Fails where a file includes a layer, or a library, that its own layer must not know.

    check_layers.py [ROOT]
"""
import pathlib
import re
import sys

# kernels  <-  core  <-  { distributed , io }  <-  training  <-  { examples , tools }
MAY_INCLUDE = {
    "kernels": {"kernels"},
    "core": {"kernels", "core"},
    "distributed": {"kernels", "core", "distributed"},
    "io": {"core", "io"},
    "training": {"kernels", "core", "distributed", "io", "training"},
}
LAYERS = {*MAY_INCLUDE, "examples", "tools", "benchmarks", "tests"}

# Libraries that one folder wraps for all others.
ONLY_IN = {
    r"cuda\w*\.h|cublas\w*\.h|cudnn\w*\.h": {"kernels/cuda", "kernels/emulator"},
    r"nccl\.h": {"distributed"},
    r"mpi\.h": {"distributed"},
    r"hdf5\.h|H5\w*\.h": {"io"},
    r"(oneapi/)?dnnl\w*(/.*)?\.h(pp)?": {"kernels/cpu"},
}
# What costs seconds to compile stays out of every public header.
HEAVY = r"CLI/.*|toml\+\+.*|spdlog/.*|nlohmann/json\.hpp"

INCLUDE = re.compile(r'\s*#\s*include\s+[<"]([^>"]+)[>"]')
CODE = {".h", ".cuh", ".cpp", ".cu"}


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[1]


def upward(layer, included):
    parts = included.split("/")
    if parts[0] != "ripieno" or len(parts) < 3 or parts[1] not in LAYERS:
        return None
    return None if parts[1] in MAY_INCLUDE[layer] else f"{layer} must not know {parts[1]}"


def misplaced(place, included):
    for library, homes in ONLY_IN.items():
        if re.fullmatch(library, included) and not any(place.startswith(home + "/") for home in homes):
            return f"<{included}> belongs in {' or '.join(sorted(homes))} alone"
    return None


def heavy(root, path, included):
    public = path.suffix == ".h" and path.relative_to(root).as_posix() in public_headers(root)
    return f"<{included}> is too heavy for a public header" if public and re.fullmatch(HEAVY, included) else None


def public_headers(root, known={}):
    if not known:
        for layer in MAY_INCLUDE:
            declared = root / layer / "CMakeLists.txt"
            text = declared.read_text() if declared.exists() else ""
            known.update((f"{layer}/{header}", True) for header in re.findall(r"^\s*([\w/]+\.h)\s*$", text, re.M))
    return known


def complaints(root):
    for layer in MAY_INCLUDE:
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in CODE:
                continue
            place = path.relative_to(root).as_posix()
            for number, included in includes(path):
                for wrong in (upward(layer, included), misplaced(place, included), heavy(root, path, included)):
                    if wrong:
                        yield f"{place}:{number}: {wrong}"


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent.parent
    found = list(complaints(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else here))
    print("\n".join(found) or "layers: every include points the right way")
    sys.exit(bool(found))
