#!/usr/bin/env python3
"""Fails if a file includes a layer, folder or library that it must not depend on, or if includes
form a cycle.

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

# Within a layer: what each folder may include besides itself. Every folder must be listed, so that
# a new one is added deliberately. An entry without ".h" means the files directly in that folder.
FOLDERS = {
    # formulas <- menu <- rules <- everything;  runtime <- device <- products;  runtime <- cudnn;  all <- cuda
    "kernels/formulas": set(),
    "kernels": {"kernels/formulas"},
    # What both backends compile, with the types of the menu.
    "kernels/rules": {"kernels", "kernels/formulas"},
    "kernels/cpu/support": {"kernels", "kernels/formulas"},
    "kernels/cpu/gemm": {"kernels", "kernels/formulas", "kernels/cpu/support"},
    "kernels/cpu": {"kernels", "kernels/formulas", "kernels/rules", "kernels/cpu/support", "kernels/cpu/gemm"},
    "kernels/cuda/runtime": {"kernels"},
    "kernels/cuda/device": {"kernels", "kernels/formulas", "kernels/cuda/runtime"},
    "kernels/cuda/products": {"kernels", "kernels/cuda/runtime", "kernels/cuda/device"},
    "kernels/cuda/cudnn": {"kernels", "kernels/cuda/runtime"},
    "kernels/cuda": {"kernels", "kernels/formulas", "kernels/rules", "kernels/cuda/runtime", "kernels/cuda/device",
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
    # files <- {formats, run/ranks} <- run;  {formats, part.h} <- {data, checkpoint}
    "io": set(),
    "io/files": set(),
    "io/formats/parquet": {"io/files"},
    "io/formats": {"io/files"},
    "io/run/ranks": {"io/files"},
    "io/run": {"io/files", "io/formats", "io/run/ranks"},
    "io/data/tokenizers": {"io/files"},
    "io/data/readers": {"io/data", "io/files", "io/formats/parquet", "io/data/tokenizers"},
    "io/data": {"io", "io/files", "io/formats", "io/data/readers", "io/data/tokenizers"},
    "io/checkpoint": {"io", "io/files", "io/formats"},
    # session <- {settings, watch, profile, provenance} <- {models, metrics} <- run
    # <- training_program
    "training/session": set(),
    "training/settings": {"training/session"},
    "training/models": {"training/session", "training/settings"},
    "training/watch": {"training/session"},
    "training/profile": {"training/session"},
    "training/provenance": {"training/session"},
    "training/metrics": {"training/settings"},
    "training/run": {"training/metrics", "training/profile", "training/provenance",
                     "training/session", "training/settings", "training/watch"},
    "training": {"training/session", "training/settings", "training/models", "training/profile",
                 "training/run", "training/watch"},
    # sources <- convert;  sources <- explain/run <- explain/diagnoses <- explain <- watch <- runs;
    # {launch/mpirun, launch/notices} <- launch <- doctor
    "tools/sources": {"tools"},
    "tools/convert": {"tools", "tools/sources"},
    "tools/explain/run": {"tools", "tools/sources"},
    "tools/explain/diagnoses": {"tools", "tools/explain/run"},
    "tools/explain": {"tools", "tools/explain/run", "tools/explain/diagnoses"},
    "tools/launch/mpirun": set(),
    "tools/launch/notices": set(),
    "tools/launch": {"tools", "tools/launch/mpirun", "tools/launch/notices"},
    "tools/plan": {"tools"},
    "tools/prepare": {"tools"},
    "tools/doctor/checks": {"tools", "tools/launch", "tools/launch/mpirun", "tools/doctor"},
    "tools/doctor": {"tools", "tools/launch", "tools/launch/mpirun", "tools/doctor/checks",
                     "tools/explain/wrap.h"},
    "tools/watch": {"tools", "tools/explain", "tools/explain/run", "tools/explain/diagnoses"},
    "tools/runs": {"tools", "tools/watch"},
    "tools": {"tools/sources", "tools/convert", "tools/explain", "tools/prepare"},
}

# Libraries that are wrapped by one folder and used through it.
ONLY_IN = {
    r"cuda\w*\.h|cublas\w*\.h|cudnn\w*\.h": {"kernels/cuda", "kernels/emulator"},
    r"nccl\.h": {"distributed/communicators/nccl"},
    r"mpi\.h": {"distributed/communicators/mpi"},
    r"hdf5\.h|H5\w*\.h": {"io/formats"},
    r"zlib\.h|zstd\.h": {"io/data/readers", "io/formats/parquet"},
    r"(oneapi/)?dnnl\w*(/.*)?\.h(pp)?": {"kernels/cpu/gemm"},
    r"Eigen/.*": {"core/ops/linear_algebra.cpp"},
}
# Headers that take seconds to compile are not allowed in public headers.
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
    return None if parts[1] in MAY_INCLUDE[layer] else f"{layer} must not include {parts[1]}"


def folder_of(path):
    """The folder of the file in FOLDERS; for all files below in_place_of_cuda, that folder."""
    folder = path.rpartition("/")[0]
    return folder.partition("/ripieno/")[0]


def sideways(file, included):
    if not included.startswith("ripieno/") or included.count("/") < 2:
        return None
    home, target = folder_of(file), included[len("ripieno/"):]
    included_folder = target.rpartition("/")[0]
    if home not in FOLDERS:
        return f"{home} is missing from FOLDERS in scripts/check_layers.py"
    if included_folder == home or included_folder.split("/")[0] != home.split("/")[0]:
        return None
    return None if {included_folder, target} & FOLDERS[home] else f"{home} must not include {included_folder}"


def not_wrapped(file, included):
    for library, homes in ONLY_IN.items():
        if re.fullmatch(library, included) and not any(file == home or file.startswith(home + "/") for home in homes):
            return f"<{included}> may be included only in {' or '.join(sorted(homes))}"
    return None


def heavy(root, path, included):
    public = path.suffix == ".h" and path.relative_to(root).as_posix() in public_headers(root)
    if public and re.fullmatch(HEAVY, included):
        return f"<{included}> takes too long to compile for a public header"
    return None


def public_headers(root, known={}):
    if not known:
        for layer in MAY_INCLUDE:
            declared = root / layer / "CMakeLists.txt"
            text = declared.read_text() if declared.exists() else ""
            known.update((f"{layer}/{header}", True) for header in re.findall(r"^\s*([\w/]+\.h)\s*$", text, re.M))
    return known


# A tensor and its autograd graph, in several files that include each other.
TENSOR_FILES = {"core/tensor_implementation", "core/autograd", "core/backward", "core/place",
                "core/add_into", "core/operands", "core/tensor_reads", "core/work"}


def module_of(path):
    """A header and its source count as one: "core/shape" for core/shape.h and core/shape.cpp."""
    module = path.rpartition(".")[0]
    return "core/tensor" if module in TENSOR_FILES else module


def is_backward_of_an_operation(file, included):
    """A backward calls other operations, so their sources may include each other's headers."""
    return file.startswith("core/ops/") and file.endswith(".cpp") and included.startswith("ripieno/core/ops/")


def cycle_from(module, graph, path, done):
    path.append(module)
    for other in sorted(graph.get(module, ())):
        if other in path:
            return path[path.index(other):] + [other]
        if other not in done and (found := cycle_from(other, graph, path, done)):
            return found
    path.pop()
    done.add(module)
    return None


def cycles(graph):
    done = set()
    for module in sorted(graph):
        if module not in done and (found := cycle_from(module, graph, [], done)):
            yield "cycle: " + " -> ".join(found)
            return


def violations(root):
    graph = {}
    for layer in MAY_INCLUDE:
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in CODE:
                continue
            file = path.relative_to(root).as_posix()
            for number, included in includes(path):
                if included.startswith("ripieno/") and not is_backward_of_an_operation(file, included):
                    target = module_of(included[len("ripieno/"):])
                    if target != module_of(file):
                        graph.setdefault(module_of(file), set()).add(target)
                for wrong in (upward(layer, included), sideways(file, included), not_wrapped(file, included),
                              heavy(root, path, included)):
                    if wrong:
                        yield f"{file}:{number}: {wrong}"
    yield from cycles(graph)


if __name__ == "__main__":
    project = pathlib.Path(__file__).resolve().parent.parent
    found = list(violations(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else project))
    print("\n".join(found) or "layers: every include is allowed")
    sys.exit(bool(found))
