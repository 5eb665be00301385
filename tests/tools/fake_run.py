"""A run directory as docs/flight_record.md and docs/metrics.md define it, written by no run: for
tests of tools that look at runs of many ranks.

    fake_run.py DIR [RANKS [SECONDS]]    writes to DIR as a run would, ten steps a second
"""
import json
import math
import pathlib
import struct
import sys
import time

THREADS, STEPS, EVENTS, BUCKETS = 16, 256, 1024, 256
PHASES = ("data", "forward", "backward", "communication", "optimizer", "checkpoint", "validation", "other")
SHARES = (0.02, 0.28, 0.46, 0.14, 0.08, 0.01, 0.005, 0.005)


def padded(text, size):
    return text.encode().ljust(size, b"\0")


class FakeRun:
    """`hosts`: of how many the ranks are; each has a rank process that does not exist here."""

    def __init__(self, path, ranks=64, hosts=8, steps=5000):
        self.path, self.size, self.hosts, self.steps = pathlib.Path(path), ranks, hosts, steps
        self.step, self.beats, self.silent = 0, 0, {}
        self.seconds = [[0.0] * 8 for _ in range(ranks)]
        self.started = time.time_ns()
        (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        record = {"starts": [{"configuration": {"schedule": {"steps": steps}}, "world_size": ranks,
                              "started_at": "2026-12-01T00:00:00Z", "resumed_from": None}]}
        (self.path / "run.json").write_text(json.dumps(record))
        self.metrics = open(self.path / "metrics.jsonl", "a")
        for rank in range(ranks):
            self.folder(rank).mkdir(parents=True, exist_ok=True)
        self.beat()

    def folder(self, rank):
        return self.path / "ranks" / f"rank_{rank:05}"

    def loss(self, step):
        return 2 + 9 * math.exp(-step / 400) + 0.05 * math.sin(step * 1.7)

    def line(self, step):
        return {"step": step, "loss": self.loss(step), "tokens": step * 524288,
                "tokens_per_s": 5242880.0, "learning_rate": 3e-4, "gradient_norm": 0.9,
                "seconds": {"data": 0.002, "forward": 0.03, "backward": 0.05, "total": 0.1}}

    def train(self, steps, slow={}):
        """`slow`: how many times as long forward takes, by rank."""
        for _ in range(steps):
            self.step += 1
            self.metrics.write(json.dumps(self.line(self.step), separators=(",", ":")) + "\n")
        self.metrics.flush()
        for rank in range(self.size):
            for phase, share in enumerate(SHARES):
                factor = slow.get(rank, 1) if phase == 1 else 1
                self.seconds[rank][phase] += steps * 0.1 * share * factor

    def save(self):
        folder = self.path / "checkpoints" / f"step_{self.step:08}"
        folder.mkdir(exist_ok=True)
        return folder

    def beat(self, collective=None):
        """Writes the records of all ranks but the silent ones. `collective`: {rank: number} that
        each is in."""
        self.beats += 1
        for rank in range(self.size):
            if rank not in self.silent:
                self.write(rank, (collective or {}).get(rank))

    def write(self, rank, number=None, end=(0, 0, 0, ""), unix=None, start=7, since=1):
        unix = unix if unix is not None else time.time_ns()
        monotonic, process = time.monotonic_ns(), 4700 + rank
        host = f"node-{rank * self.hosts // self.size:02}"
        bytes_ = 3_000_000_000 + rank * 1_000_000
        facts = struct.pack("<8sIIQqiiiiiiiiIIIIdq64s32s64s256x", b"RIPFLREC", 1, 0, start, self.started,
                            rank, self.size, 0, process, 16, 2, 2, 0, THREADS, STEPS, EVENTS, BUCKETS,
                            300.0, 0, padded(host, 64), padded("cpu", 32), padded("train_gpt", 64))
        heartbeat = struct.pack("<QQqqqqqqqqqdqddqq112xQ", self.beats, self.beats, unix, monotonic, bytes_,
                                bytes_, -1, -1, 0, 0, 64 << 30, 10.0, 0, -1.0, 0.0, 0, 0, self.beats)
        progress = struct.pack("<Qqqdd8d32s112xQ", self.beats, self.step, monotonic - since * 10**9, 300.0, 0.1,
                               *self.seconds[rank], padded("step", 32), self.beats)
        ended = struct.pack("<Iiiiq40x960s", *end[:3], 0, unix, padded(end[3], 960))
        begun = number if number is not None else 1
        group = struct.pack("<QIiiiQQQ8xQ", 1, 1, rank, self.size, 0, begun, begun - 1, 11, 1)
        event = b""
        depth = 0
        if number is not None:
            depth, event = 1, struct.pack("<QqqqQqqQIiiiBB10s32sI", 0, monotonic - 60 * 10**9, 0, 4000, 11,
                                          self.step, 0, number, 1, process, -1, -1, 1, 0,
                                          padded("float32", 10), padded("all_reduce", 32), 0)
        thread = struct.pack("<QiI32s8x", 1, process, depth, padded("main", 32)) + event.ljust(768, b"\0")
        thread += struct.pack("<Q", 1)
        head = facts + heartbeat + progress + ended + group.ljust(1024, b"\0") + thread
        record = head.ljust(3072 + THREADS * 832 + STEPS * 64 + EVENTS * 128 + BUCKETS * 128, b"\0")
        path = self.folder(rank) / "flight_record.bin"
        with open(path, "r+b" if path.exists() else "wb") as file:
            file.write(record)


if __name__ == "__main__":
    run = FakeRun(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 64)
    begin = time.monotonic()
    while len(sys.argv) < 4 or time.monotonic() - begin < float(sys.argv[3]):
        run.train(10, slow={17: 1.9})
        if run.step % 500 == 0:
            run.save()
        run.beat()
        time.sleep(1)
