#!/usr/bin/env python3
"""Fails where a file includes a layer, a folder or a library that its own must not know, or where files include
each other in a circle.

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
    "tools": {"kernels", "core", "distributed", "io", "training", "tools"},
}
LAYERS = {*MAY_INCLUDE, "examples", "tools", "benchmarks", "tests"}

# Within a layer: what each folder may include besides itself. A folder that is missing here is refused, so that a
# new one is placed on purpose. "FOLDER" is its own files without those of its folders; "FILE.h" is that file alone.
FOLDERS = {
    # formulas <- menu <- everything;  runtime <- {device, products, cudnn} <- cuda
    "kernels/formulas": set(),
    "kernels": {"kernels/formulas"},
    "kernels/cpu/support": {"kernels", "kernels/formulas"},
    "kernels/cpu/gemm": {"kernels", "kernels/formulas", "kernels/cpu/support"},
    "kernels/cpu": {"kernels", "kernels/formulas", "kernels/cpu/support", "kernels/cpu/gemm"},
    "kernels/cuda/runtime": {"kernels"},
    "kernels/cuda/device": {"kernels", "kernels/formulas", "kernels/cuda/runtime"},
    "kernels/cuda/products": {"kernels", "kernels/cuda/runtime"},
    "kernels/cuda/cudnn": {"kernels", "kernels/cuda/runtime"},
    "kernels/cuda": {"kernels", "kernels/formulas", "kernels/cuda/runtime", "kernels/cuda/device",
                     "kernels/cuda/products", "kernels/cuda/cudnn"},
    "kernels/emulator": {"kernels", "kernels/cuda/runtime", "kernels/cuda/products"},
    "kernels/emulator/in_place_of_cuda": {"kernels", "kernels/emulator"},
    # device (+ error) <- tensor and autograd <- {arena, ops} <- {nn, losses, optim} <- models
    "core/device": {"core/error.h"},
    "core": {"core/device"},
    "core/arena": {"core", "core/device"},
    "core/ops": {"core", "core/device"},
    "core/losses": {"core", "core/device", "core/arena", "core/ops"},
    "core/nn": {"core", "core/device", "core/arena", "core/ops"},
    "core/optim": {"core", "core/device", "core/arena", "core/ops"},
    "core/models": {"core", "core/device", "core/arena", "core/ops", "core/losses", "core/nn"},
    # communicators <- {mpi, nccl, gradients} <- strategies <- data_parallel
    "distributed/communicators": set(),
    "distributed/communicators/mpi": {"distributed/communicators"},
    "distributed/communicators/nccl": {"distributed/communicators"},
    "distributed/gradients": {"distributed/communicators"},
    "distributed/strategies": {"distributed/communicators", "distributed/gradients", "distributed/phase_times.h"},
    "distributed": {"distributed/communicators", "distributed/communicators/mpi", "distributed/gradients",
                    "distributed/strategies"},
    # files <- {formats, run};  {formats, part.h} <- {data, checkpoint}
    "io": set(),
    "io/files": set(),
    "io/formats": {"io/files"},
    "io/run": {"io/files"},
    "io/data": {"io", "io/files", "io/formats"},
    "io/checkpoint": {"io", "io/files", "io/formats"},
    # session <- settings <- {models, run} <- training_program
    "training/session": set(),
    "training/settings": {"training/session"},
    "training/models": {"training/session", "training/settings"},
    "training/run": {"training/session", "training/settings"},
    "training": {"training/session", "training/settings", "training/models", "training/run"},
    # sources <- convert
    "tools/sources": {"tools"},
    "tools/convert": {"tools", "tools/sources"},
    "tools": {"tools/sources", "tools/convert"},
}

# Libraries that one folder wraps for all others.
ONLY_IN = {
    r"cuda\w*\.h|cublas\w*\.h|cudnn\w*\.h": {"kernels/cuda", "kernels/emulator"},
    r"nccl\.h": {"distributed/communicators/nccl"},
    r"mpi\.h": {"distributed/communicators/mpi"},
    r"hdf5\.h|H5\w*\.h": {"io/formats"},
    r"(oneapi/)?dnnl\w*(/.*)?\.h(pp)?": {"kernels/cpu/gemm"},
    r"Eigen/.*": {"core/ops/linear_algebra.cpp"},
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


def folder_of(path):
    """The folder of FOLDERS that holds the file, as deep as its table goes below in_place_of_cuda."""
    folder = path.rpartition("/")[0]
    return folder.partition("/ripieno/")[0]


def sideways(place, included):
    if not included.startswith("ripieno/") or included.count("/") < 2:
        return None
    home, target = folder_of(place), included[len("ripieno/"):]
    there = target.rpartition("/")[0]
    if home not in FOLDERS:
        return f"{home} is not in the table of folders in scripts/check_layers.py"
    if there == home or there.split("/")[0] != home.split("/")[0]:
        return None
    return None if {there, target} & FOLDERS[home] else f"{home} must not know {there}"


def misplaced(place, included):
    for library, homes in ONLY_IN.items():
        if re.fullmatch(library, included) and not any(place == home or place.startswith(home + "/") for home in homes):
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


# A tensor and the record of its operations are one thing in several files.
ONE_UNIT = {"core/tensor_implementation", "core/autograd", "core/backward", "core/place", "core/add_into", "core/operands",
            "core/tensor_reads"}


def unit_of(path):
    """A header and its source are one: "core/shape" for core/shape.h and core/shape.cpp."""
    unit = path.rpartition(".")[0]
    return "core/tensor" if unit in ONE_UNIT else unit


def is_backward_of_an_operation(place, included):
    """The backward of an operation is made of others, so their sources may include each other's headers."""
    return place.startswith("core/ops/") and place.endswith(".cpp") and included.startswith("ripieno/core/ops/")


def circle_from(unit, graph, path, done):
    path.append(unit)
    for other in sorted(graph.get(unit, ())):
        if other in path:
            return path[path.index(other):] + [other]
        if other not in done and (found := circle_from(other, graph, path, done)):
            return found
    path.pop()
    done.add(unit)
    return None


def circles(graph):
    done = set()
    for unit in sorted(graph):
        if unit not in done and (found := circle_from(unit, graph, [], done)):
            yield "a circle: " + " -> ".join(found)
            return


def complaints(root):
    graph = {}
    for layer in MAY_INCLUDE:
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in CODE:
                continue
            place = path.relative_to(root).as_posix()
            for number, included in includes(path):
                if included.startswith("ripieno/") and not is_backward_of_an_operation(place, included):
                    target = unit_of(included[len("ripieno/"):])
                    if target != unit_of(place):
                        graph.setdefault(unit_of(place), set()).add(target)
                for wrong in (upward(layer, included), sideways(place, included), misplaced(place, included),
                              heavy(root, path, included)):
                    if wrong:
                        yield f"{place}:{number}: {wrong}"
    yield from circles(graph)


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent.parent
    found = list(complaints(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else here))
    print("\n".join(found) or "layers: every include points the right way")
    sys.exit(bool(found))
