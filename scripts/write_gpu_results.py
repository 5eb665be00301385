#!/usr/bin/env python3
"""Keeps what gpu_check.sh measured in benchmarks/results/<device>-<date>/ and docs/results.md.

    write_gpu_results.py STATE COMMIT [--into FOLDER]

STATE is build/gpu_check/gpu, also as unpacked from the take_home.tar.gz of another machine. The
folder gets the measurements (record.json), logs, chosen algorithms and compiled plans.
--into: writes to FOLDER instead of the project, for a rehearsal.
"""
import argparse
import datetime
import json
import pathlib
import re
import shutil

PROJECT = pathlib.Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- GPU: written by scripts/write_gpu_results.py -->", "<!-- GPU: end -->"


def lines(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


def share(value):
    return "" if value is None else f"{value:.2f}"


def gigabytes(count):
    return f"{count / 1e9:.1f} GB" if count else "?"


def step_rows(steps):
    for line in steps:
        what = f"`{line.get('workload')}` {line.get('dtype')}, batch {line.get('batch')}"
        if line["benchmark"] == "compare_with_peer":
            how = "interleaved" if line["paired"] else "one after the other"
            yield (f"| {what} | {line['value']:,.0f} {line['unit']} | {line['peer']}: {line['peer_value']:,.0f} | "
                   f"{line['ratio']:.2f} ({line['ratio_least']:.2f} – {line['ratio_most']:.2f}) | "
                   f"{line['repeats']}, {how} | {gigabytes(line['peak_bytes'])}, "
                   f"{gigabytes(line['peer_peak_bytes'])} |")
        elif line["benchmark"] == "llm_c":
            yield f"| {what} | | llm.c: {line['value']:,.0f} | | {line['steps']} steps | |"


def product_rows(products):
    ways = {}
    for line in products:
        ways.setdefault(line["workload"], {})[line["way"]] = line
    for workload, of in ways.items():
        times = " | ".join(f"{of[way]['ms']['median']:.3f}" if way in of else "" for way in ("chosen", "guessed", "plain"))
        yield f"| {workload} | {of['chosen']['value']:,.0f} TFLOP/s | {times} |"


def profile_rows(profile, most=30):
    for line in profile[:most]:
        yield f"| `{line['kernel'][:90]}` | {line['count']:.0f} | {line['ms']:.3f} |"
    rest = profile[most:]
    if rest:
        count, ms = (sum(line[key] for line in rest) for key in ("count", "ms"))
        yield f"| {len(rest)} others | {count:.0f} | {ms:.3f} |"


def table(look, kernels, products, steps, profile, commit, date):
    yield f"{look.get('gpu', '?')}, driver {look.get('driver', '?')}, {date}, commit {commit}: `scripts/gpu_check.sh`."
    yield ""
    yield "| workload | Ripieno | compared with | ratio (min – max) | rounds | peak memory, Ripieno and peer |"
    yield "|---|---|---|---|---|---|"
    yield from step_rows(steps)
    starts = [line["seconds_to_first_step"] for line in steps if line["benchmark"] == "train_step"]
    if starts:
        yield ""
        yield f"Process start to end of first step, with algorithms already chosen: {starts[-1]:.1f} s."
    if kernels:
        yield ""
        yield "| kernel | rate | fraction of the bandwidth of a copy in the same run |"
        yield "|---|---|---|"
        for line in kernels:
            yield (f"| {line['workload']} | {line['value']:,.0f} {line['unit']} | "
                   f"{share(line.get('share_of_copy'))} |")
    if products:
        yield ""
        yield "| matrix products of a block | rate | measured choice, ms | library's guess, ms | without epilogues, ms |"
        yield "|---|---|---|---|---|"
        yield from product_rows(products)
    if profile:
        yield ""
        yield "| kernel, in a step of gpt2-124m | launches | ms |"
        yield "|---|---|---|"
        yield from profile_rows(profile)


def keep(state, folder):
    """Copies logs, algorithms and plans."""
    for source in [*state.glob("*.log"), *state.glob("cache/*")]:
        target = folder / source.relative_to(state)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(path)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("state", type=pathlib.Path)
    arguments.add_argument("commit")
    arguments.add_argument("--into", type=pathlib.Path)
    a = arguments.parse_args()
    date = datetime.date.today().isoformat()
    look = (lines(a.state / "probe.json") or [{}])[-1]
    kernels, products, profile = (lines(a.state / f"{name}.json") for name in ("kernels", "products", "profile"))
    steps = [line for name in ("steps", "peers", "large", "choices") for line in lines(a.state / f"{name}.json")]
    # The others are PyTorch's rounds, and steps without a choice.
    compared = [line for line in steps if line.get("benchmark") and "without" not in line]
    name = re.sub(r"[^a-z0-9]+", "_", look.get("gpu", "gpu").lower())
    marks = [mark for how in ("done", "failed", "skipped") for mark in sorted(a.state.glob(f"*.{how}"))]
    record = {"device": look, "date": date, "commit": a.commit, "stages": {mark.stem: mark.suffix[1:] for mark in marks},
              "kernels": kernels, "products": products, "steps": steps, "profile": profile}
    folder = (a.into or PROJECT / "benchmarks/results") / f"{name}-{date}"
    write(folder / "record.json", json.dumps(record, indent=1) + "\n")
    keep(a.state, folder)
    text = "\n".join(table(look, kernels, products, compared, profile, a.commit, date))
    if a.into:
        return write(folder / "table.md", text + "\n")
    page = PROJECT / "docs/results.md"
    before, rest = page.read_text().split(BEGIN)
    write(page, f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
