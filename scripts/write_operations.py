#!/usr/bin/env python3
"""Writes docs/operations.md, the table of what models can be made of, from the table that the tests verify.

    write_operations.py [--check] BUILD        BUILD: a build directory with bin/print_parts

Fails if a public function of core/ops or core/losses, or a class of core/nn, core/optim or core/models, has no row
and is not listed in NOT_PARTS. With --check nothing is written: the exit status is 1 if the page is stale.
"""
import pathlib
import subprocess
import sys

from write_reference import Header, public_headers

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/operations.md"
SCRIPT = "scripts/write_operations.py"

HEADER = """# Operations, layers, losses and optimizers

<!-- Written by scripts/write_operations.py from tests/parts; do not edit. -->

Each row is verified by `tests/parts`: forward and backward against values that PyTorch (NumPy for
LAMB and Lion) computed in float64, for each of its element types; with inputs that are not dense;
against finite differences; and on a GPU, which is emulated on machines without one. *Reference* is
the number of cases that are compared. [From PyTorch](from_pytorch.md) has the names beside
PyTorch's, and the [API reference](reference/README.md) says what each does.

| name | kind | element types | CPU | CUDA | reference | finite differences | emulator |
|---|---|---|---|---|---|---|---|
"""

# Names of rows for what has another name in C++.
ROWS = {
    "operator+": ["add", "integer_add"], "operator-": ["subtract", "negate", "integer_subtract"],
    "operator*": ["multiply"], "operator/": ["divide", "integer_divide"],
    "operator==": ["equal"], "operator!=": ["not_equal"], "operator<": ["less"], "operator<=": ["less_equal"],
    "operator>": ["greater"], "operator>=": ["greater_equal"],
    "zeros_like": ["zeros"], "ones_like": ["ones"], "full_like": ["full"],
    "floor_divide": ["integer_floor_divide"],
    "batch_norm_with": ["batch_norm"], "Recurrent": ["lstm_layer", "gru_layer"], "ResNetBlock": ["resnet"],
    "Plateau": ["reduce_on_plateau"], "rotary_table": ["rotary_embedding"], "document_ranges": ["attention"],
    "fill_truncated_normal": ["truncated_normal"], "normal_quantile": ["truncated_normal"],
}

# Public names without a row, and why.
NOT_PARTS = {
    "BufferUpdates": "a part of modules",
    "KeyValueCache": "state of generation; llama_test.cpp compares logits with and without it",
    "LanguageModel": "a base class",
    "Llama": "tests/tools/convert/llama_test.cpp compares logits of four models with transformers'",
    "LlamaBlock": "a part of Llama",
    "MomentOptimizer": "the base class of Adam, AdamW and Lamb",
    "ModuleList": "a container, which computes nothing",
    "SegmentTable": "a part of optimizers",
    "StepScalarsOnDevice": "a part of optimizers",
    "mse": "tests/core/losses compares it with values by hand",
    "activate": "calls the activation that is given as a value",
    "activation_gradient": "a part of backwards",
    "apply_function": "what the functions of one tensor call",
    "apply_pair": "what the functions of two tensors call",
    "unary": "what the elementary functions call",
    "broadcast": "computes a shape",
    "draw_dropout": "a part of operations that fuse dropout",
    "fill_orthogonal": "random; tests/core/ops/orthogonal_test.cpp checks that columns are orthonormal",
    "gradient_check": "the check itself",
    "rand_like": "random; tests/core/random_test.cpp compares the distribution",
    "randn_like": "random; tests/core/random_test.cpp compares the distribution",
    "to_string": "text of messages",
    "reduce_workspace": "a part of operations that reduce",
    "require_targets": "a check of arguments",
    "sum_of_rows": "a part of losses",
    "sum_rows_into": "a part of backwards",
    "OrthonormalColumns": "a part of optimizers and PowerSGD",
    "Module": "the base class",
    "GptBlock": "a part of Gpt",
    "LossScaling": "a part of optimizers",
    "Optimizer": "the base class",
    "OptimizerState": "a part of optimizers",
    "ParameterGroups": "a part of optimizers",
}


def normalized(name):
    return name.replace("_", "").lower()


def public_names():
    """(name, header) of each public function and class that may be a part of a model."""
    for folder, paths in public_headers(ROOT).items():
        for path in paths:
            for declaration in Header((ROOT / path).read_text()).declarations:
                is_function = declaration.kind == "function" and str(folder) in ("core/ops", "core/losses")
                is_class = (declaration.kind == "type" and declaration.body[2] and not declaration.is_enum and
                            str(folder) in ("core/ops", "core/nn", "core/optim", "core/models"))
                if is_function or is_class:
                    yield declaration.name, path


def problems(rows):
    """Public names that have neither a row nor a reason, and reasons that are not needed."""
    names = {normalized(row.split("`")[1]) for row in rows.splitlines()}
    public = dict(public_names())
    for name, path in public.items():
        has_row = all(normalized(row) in names for row in ROWS.get(name, [name]))
        if not has_row and name not in NOT_PARTS:
            yield f"{path}: {name} has no row in tests/parts; add cases, or a reason to NOT_PARTS of {SCRIPT}"
        if has_row and name in NOT_PARTS:
            yield f"{path}: {name} has a row in tests/parts; remove it from NOT_PARTS of {SCRIPT}"
    for name in [*NOT_PARTS, *ROWS]:
        if name not in public:
            yield f"{SCRIPT} names {name}, which is no public function or class"


def main():
    check = "--check" in sys.argv[1:]
    builds = [argument for argument in sys.argv[1:] if argument != "--check"]
    if len(builds) != 1:
        sys.exit(__doc__)
    printed = subprocess.run([pathlib.Path(builds[0]) / "bin/print_parts"], check=True, capture_output=True, text=True)
    if found := list(problems(printed.stdout)):
        sys.exit("\n".join(found))
    page = HEADER + printed.stdout
    if not check:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        sys.exit(f"docs/{PAGE.name} is stale; run {SCRIPT} {builds[0]}")


if __name__ == "__main__":
    main()
