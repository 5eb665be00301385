#!/usr/bin/env python3
"""Predicts the times that the benchmark `products` measures, with NVIDIA's model of its GPUs.

    benchmarks/predict_products.py [--gpu H200_SXM] [--rows 65536] [--channels 768]

Requires the Python package nvidia-matmul-heuristics and no GPU. Prints one line of JSON per
product, with the names of `products`. The model has CUTLASS's kernels with bf16 operands and
float32 accumulation; it has neither cuBLASLt's kernels, nor epilogues, nor the clock under load.
"""

import argparse
import json


def products(rows, channels):
    """(name, m, n, k, layout) of row-major products. Layout: A and B as is (N), transposed (T)."""
    for name, inputs, outputs in (
        ("qkv", channels, 3 * channels),
        ("projection", channels, channels),
        ("up", channels, 4 * channels),
        ("down", 4 * channels, channels),
    ):
        yield f"{name} forward", rows, outputs, inputs, "NT"
        yield f"{name} input gradient", rows, inputs, outputs, "NN"
        yield f"{name} parameter gradients", outputs, inputs, rows, "TN"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--gpu", default="H200_SXM")
    arguments.add_argument("--rows", type=int, default=65536, help="tokens per step")
    arguments.add_argument("--channels", type=int, default=768)
    a = arguments.parse_args()
    try:
        import nvMatmulHeuristics as model
    except ImportError:
        raise SystemExit(
            "predict_products.py: requires the Python package nvidia-matmul-heuristics"
        )
    if a.gpu not in model.NvMatmulHeuristicsNvidiaGpu.__members__:
        raise SystemExit(
            f"predict_products.py: unknown GPU {a.gpu}; known: "
            f"{' '.join(model.NvMatmulHeuristicsNvidiaGpu.__members__)}"
        )
    heuristics = model.NvMatmulHeuristicsInterfaceEx(
        backend=model.NvMatmulHeuristicsTarget.CUTLASS3,
        gpu=model.NvMatmulHeuristicsNvidiaGpu[a.gpu],
        flags=model.NvMatmulHeuristicsFlags.PERF_MODEL_BASED_AUTO_TUNING,
    )
    for name, m, n, k, layout in products(a.rows, a.channels):
        problem = heuristics.makeNvMatmulHeuristicsProblem(
            m, n, k, model.NvMatmulHeuristicsMatmulLayout[f"{layout}_ROW_MAJOR"]
        )
        best = heuristics.get(problem, 8, precision="TST")
        seconds = min(candidate["runtime"] for candidate in best)
        print(
            json.dumps(
                {
                    "benchmark": "predict_products",
                    "workload": name,
                    "gpu": a.gpu,
                    "m": m,
                    "n": n,
                    "k": k,
                    "predicted_ms": round(1e3 * seconds, 4),
                    "value": round(2e-12 * m * n * k / seconds, 1),
                    "unit": "TFLOP/s",
                    "kernel": str(next(c["kernel"] for c in best if c["runtime"] == seconds)),
                }
            )
        )


if __name__ == "__main__":
    main()
