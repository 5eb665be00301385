#!/usr/bin/env python3
"""`ripieno prepare`: the same token files for any threads, after kills, and from compressed files."""
import gzip
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import termios
import time
import unittest

from programs import BIN, ProgramTest

END = 480  # <|endoftext|> of the tokenizer below
TOKENIZER = pathlib.Path(__file__).resolve().parent.parent / "fixtures/tokenizers/gpt2"
PARQUET = TOKENIZER.parent.parent / "parquet"
RIPIENO = str(BIN / "ripieno")
SYLLABLES = ["ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "zu", "é", "don't", "42", "北京"]


def words(count, seed=0):
    numbers = random.Random(seed)
    return " ".join("".join(numbers.choices(SYLLABLES, k=numbers.randint(1, 4))) for _ in range(count))


def json_lines(documents, length=400, seed=0):
    """Of about 9 bytes per word."""
    text = words(20000, seed).split(" ")
    numbers = random.Random(seed)
    lines = []
    for _ in range(documents):
        begin = numbers.randrange(len(text) - length)
        lines.append(json.dumps({"id": 1, "text": " ".join(text[begin : begin + length])}))
    return "\n".join(lines) + "\n"


def tokens_of(path):
    """An independent decoder of token files (docs/token_file_format.md)."""
    data = path.read_bytes()
    magic, version, width, _, count, description, *_ = struct.unpack("<8sIIQQQQQQ", data[:64])
    assert magic == b"RIPTOKEN" and version == 1 and width in (2, 4)
    begin = (64 + description + 63) // 64 * 64
    return list(struct.unpack(f"<{count}{'H' if width == 2 else 'I'}", data[begin : begin + count * width]))


def marked_tokens_of(path):
    """The same of a file of version 2: tokens, and whether the loss counts each."""
    data = path.read_bytes()
    _, version, width, _, count, description, *_ = struct.unpack("<8sIIQQQQQQ", data[:64])
    assert version == 2
    begin = (64 + description + 63) // 64 * 64
    stored = struct.unpack(f"<{count}{'H' if width == 2 else 'I'}", data[begin : begin + count * width])
    mark = 1 << (8 * width - 1)
    return [token & ~mark for token in stored], [not token & mark for token in stored]


def peak_bytes(command, directory):
    """Runs the command. Returns the peak of its resident memory."""
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return usage.ru_maxrss * 1024


class Prepare(ProgramTest):
    def preparation(self, *inputs, output="out.bin", tokenizer=TOKENIZER):
        return [RIPIENO, "prepare", *map(str, inputs), "--tokenizer", str(tokenizer), "--output", output]

    def run_command(self, command, status=0, **options):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=self.directory, **options)
        self.assertEqual(ended.returncode, status, ended.stdout + ended.stderr)
        if status:
            self.assertRegex(ended.stderr, r"\Aripieno: [^\n]+\n\Z")
        return ended

    def prepare(self, *inputs, status=0, **options):
        return self.run_command(self.preparation(*inputs, **options), status)

    def write(self, name, text):
        data = text if isinstance(text, bytes) else text.encode()
        (self.directory / name).write_bytes(data)

    def bytes_of(self, name="out.bin"):
        return (self.directory / name).read_bytes()

    def assert_same(self, found, expected):
        """Without a comparison of megabytes in the message, which would take minutes."""
        self.assertTrue(found == expected, f"{len(found)} bytes differ from the {len(expected)} expected ones")

    def assert_no_output(self):
        self.assertEqual(sorted(path.name for path in self.directory.glob("out*")), [])

    def test_writes_the_same_bytes_for_any_number_of_threads(self):
        self.write("a.jsonl", json_lines(6000))
        self.write("b.txt", words(900000, seed=1))
        files = {}
        for threads in (1, 2, 3):
            self.prepare("a.jsonl", "b.txt", "--threads", threads)
            files[threads] = self.bytes_of()
        self.assert_same(files[1], files[2])
        self.assert_same(files[1], files[3])
        self.assertEqual([path.name for path in self.directory.glob("out*")], ["out.bin"])

    def test_has_the_ids_of_ripieno_tokenize_and_the_end_of_the_document(self):
        text = words(1200000)  # several chunks
        self.write("a.txt", text)
        ended = self.prepare("a.txt")
        ids = subprocess.run([RIPIENO, "tokenize", "--tokenizer", str(TOKENIZER)], input=text.encode(),
                             capture_output=True, check=True, timeout=600).stdout
        expected = [*map(int, ids.split()), END]
        self.assertTrue(tokens_of(self.directory / "out.bin") == expected)
        self.assertIn(f"out.bin: {len(expected)} tokens\n", ended.stdout)
        self.assertIn("1 documents, token 480 (<|endoftext|>) after each document", ended.stdout)
        self.assertEqual(ended.stderr, "")  # no progress line without a terminal
        self.prepare("a.txt", "--no-end-of-document")
        self.assertTrue(tokens_of(self.directory / "out.bin") == expected[:-1])

    def test_reads_compressed_files(self):
        lines = json_lines(3000)
        self.write("a.jsonl", lines)
        self.prepare("a.jsonl")
        expected = self.bytes_of()
        self.write("b.jsonl.gz", gzip.compress(lines.encode()))
        self.prepare("b.jsonl.gz")
        self.assert_same(self.bytes_of(), expected)
        if not shutil.which("zstd"):
            self.skipTest("no zstd program")
        subprocess.run(["zstd", "-q", "a.jsonl"], cwd=self.directory, check=True, timeout=60)
        self.prepare("a.jsonl.zst")
        self.assert_same(self.bytes_of(), expected)

    def test_reads_parquet_like_the_same_json_lines(self):
        rows = [None if i % 7 == 3 else f"row {i}: " + "caffè ☕ " * (i % 4) if i % 11 else "" for i in range(50)]
        self.write("rows.jsonl", "".join(json.dumps({"text": row}) + "\n" for row in rows if row is not None))
        self.prepare("rows.jsonl")
        expected = self.bytes_of()
        for name in ("snappy_v1", "zstd_v2", "gzip_v2", "fastparquet"):
            ended = self.prepare(PARQUET / f"{name}.parquet")
            self.assert_same(self.bytes_of(), expected)
        self.assertIn("43 documents", ended.stdout)
        self.write("damaged.parquet", (PARQUET / "snappy_v1.parquet").read_bytes()[:-1])
        self.assertIn("truncated or damaged", self.prepare("damaged.parquet", status=65).stderr)
        self.assertIn('has no column "body"; its columns: id, meta, text, tags',
                      self.prepare(PARQUET / "snappy_v1.parquet", "--text-field", "body", status=65).stderr)

    def test_marks_what_the_loss_does_not_count(self):
        self.write("a.jsonl", json.dumps({"prompt": "ba ke", "completion": " lo mi"}) + "\n")
        self.prepare("a.jsonl", "--content", "completion")
        tokens, counts = marked_tokens_of(self.directory / "out.bin")
        ids = [subprocess.run([RIPIENO, "tokenize", "--tokenizer", str(TOKENIZER)], input=part,
                              capture_output=True, check=True, timeout=60).stdout.split()
               for part in (b"ba ke", b" lo mi")]
        self.assertEqual(tokens, [*map(int, ids[0]), *map(int, ids[1]), END])
        self.assertEqual(counts, [False] * len(ids[0]) + [True] * (len(ids[1]) + 1))
        self.write("b.jsonl", json.dumps({"messages": [{"role": "user", "content": "ba"},
                                                       {"role": "assistant", "content": "ke"}]}) + "\n")
        self.prepare("b.jsonl", "--content", "messages", "--validation-share", "0")
        self.assertFalse(all(marked_tokens_of(self.directory / "out.bin")[1]))
        self.prepare("text.txt", "--content", "messages", status=78)
        self.prepare(PARQUET / "prompts.parquet", "--content", "completion")
        self.prepare(PARQUET / "prompts.parquet", "--content", "messages", status=78)

    def test_leaves_out_what_cannot_be_read_if_it_may(self):
        good = json_lines(3000).splitlines()
        self.write("good.jsonl", "\n".join(good))
        self.prepare("good.jsonl")
        expected = self.bytes_of()
        lines = good[:100] + ['{"text": 1}'] + good[100:2900] + ["no JSON"] + good[2900:]
        self.write("a.jsonl", "\n".join(lines))
        self.assertIn("a.jsonl: line 101 ", self.prepare("a.jsonl", status=65).stderr)
        for threads in (1, 3):
            ended = self.prepare("a.jsonl", "--on-error", "skip", "--threads", threads)
            self.assertIn("2 documents were left out (--on-error skip); the first: a.jsonl: line 101 ", ended.stdout)
            self.assert_same(self.bytes_of(), expected)
        self.write("nul.jsonl", "\n".join(good[:2000] + ['{"text": "\0"}'] + good[2000:]))
        ended = self.prepare("nul.jsonl", "--on-error", "skip")
        self.assertIn("1 documents were left out (--on-error skip); the first: nul.jsonl: line 2001 ", ended.stdout)
        self.assert_same(self.bytes_of(), expected)
        self.write("cut.jsonl.gz", gzip.compress(json_lines(3000).encode())[:-100])
        self.assertIn("1 documents were left out", self.prepare("cut.jsonl.gz", "good.jsonl", "--on-error", "skip").stdout)

    def test_reads_json_lines_with_a_byte_order_mark(self):
        self.write("plain.jsonl", json_lines(3))
        self.prepare("plain.jsonl")
        expected = self.bytes_of()
        self.write("marked.jsonl", b"\xef\xbb\xbf" + json_lines(3).encode())
        self.prepare("marked.jsonl")
        self.assert_same(self.bytes_of(), expected)

    def test_continues_after_being_killed(self):
        self.write("a.jsonl", json_lines(12000))
        command = [*self.preparation("a.jsonl", "--validation-share", "0.1"), "--threads", "2"]
        begin = time.monotonic()
        self.run_command(command)
        seconds = time.monotonic() - begin
        names = "out.bin", "out_validation.bin"
        expected = [self.bytes_of(name) for name in names]
        for name in names:
            (self.directory / name).unlink()
        numbers = random.Random(int.from_bytes(os.urandom(4), "little"))
        kept = 0
        for _ in range(12):
            process = subprocess.Popen(command, cwd=self.directory, stdout=subprocess.DEVNULL)
            try:
                process.wait(numbers.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for name, content in zip(names, expected):
                path = self.directory / name
                self.assert_same(path.read_bytes() if path.exists() else content, content)
                path.unlink(missing_ok=True)
            kept += len(self.chunks())
        ended = self.run_command(command)
        self.assertEqual(ended.stderr, "")
        for name, content in zip(names, expected):
            self.assert_same(self.bytes_of(name), content)
        self.assertGreater(kept, 0)
        self.assertFalse((self.directory / "out.bin.work").exists())

    def chunks(self):
        return sorted(self.directory.glob("out.bin.work/chunk_????????"))

    def kill_with_chunks(self, command, count=1):
        """Kills the command when that many chunks are finished."""
        process = subprocess.Popen(command, cwd=self.directory, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(self.chunks()) < count:
            time.sleep(0.002)
        process.kill()
        process.wait()
        self.assertGreaterEqual(len(self.chunks()), count)

    def test_uses_the_chunks_of_a_killed_preparation(self):
        self.write("a.jsonl", json_lines(12000))
        command = [*self.preparation("a.jsonl"), "--threads", "1"]
        self.kill_with_chunks(command)
        before = {chunk: chunk.stat().st_mtime_ns for chunk in self.chunks()}
        self.kill_with_chunks(command, len(before) + 1)
        self.assertEqual({chunk: chunk.stat().st_mtime_ns for chunk in before}, before)

    def test_starts_anew_if_an_input_or_an_option_differs(self):
        self.write("a.jsonl", json_lines(12000))
        self.kill_with_chunks(self.preparation("a.jsonl"))
        ended = self.prepare("a.jsonl", "--no-end-of-document")
        self.assertIn("started anew, since these differ from the unfinished work: end_of_document\n", ended.stderr)
        self.kill_with_chunks(self.preparation("a.jsonl"))
        self.write("a.jsonl", json_lines(3000, seed=5))
        ended = self.prepare("a.jsonl")
        self.assertIn("unfinished work: inputs\n", ended.stderr)
        resumed = self.bytes_of()
        (self.directory / "out.bin").unlink()
        self.prepare("a.jsonl")
        self.assert_same(self.bytes_of(), resumed)

    def test_needs_memory_that_does_not_grow_with_the_input(self):
        lines = json_lines(4000).encode()  # 14 MB
        self.write("small.jsonl", lines)
        with open(self.directory / "large.jsonl", "wb") as large:
            for _ in range(8):
                large.write(lines)
        peaks = [peak_bytes([*self.preparation(name), "--threads", "2"], self.directory)
                 for name in ("small.jsonl", "large.jsonl")]
        self.assertLess(peaks[1] - peaks[0], 30 << 20, peaks)

    def standard_error_on_a_terminal(self, command):
        terminal, end = os.openpty()
        termios.tcsetwinsize(end, (24, 100))
        process = subprocess.Popen(command, cwd=self.directory, stdout=subprocess.DEVNULL, stderr=end)
        os.close(end)
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # the process closed its end
            pass
        os.close(terminal)
        self.assertEqual(process.wait(), 0)
        return shown.decode()

    def test_shows_its_progress_on_a_terminal_only(self):
        self.write("a.jsonl", json_lines(3000))
        command = self.preparation("a.jsonl")
        self.assertRegex(self.standard_error_on_a_terminal(command), r"MB \d+/10 .*\d+ MB/s")
        self.assertEqual(self.standard_error_on_a_terminal([*command, "--quiet"]), "")
        self.assertEqual(self.run_command(command).stderr, "")

    def test_leaves_nothing_for_damaged_input(self):
        self.write("a.jsonl", json_lines(3000) + '{"text": 1}\n')
        self.assertIn("a.jsonl: line 3001 ", self.prepare("a.jsonl", status=65).stderr)
        self.write("b.jsonl.gz", gzip.compress(json_lines(3000).encode())[:-100])
        self.assertIn("b.jsonl.gz: ", self.prepare("b.jsonl.gz", status=65).stderr)
        self.write("c.txt", b"a\0b")
        self.prepare("c.txt", status=65)
        self.write("d.txt", "")
        self.assertIn("d.txt: has no text", self.prepare("d.txt", status=65).stderr)
        self.prepare("missing.txt", status=78)
        self.assertIn("is a folder", self.prepare("text.txt", output=".", status=78).stderr)
        self.prepare("text.txt", "--validation-share", "1", "--separator", "a", status=78)
        self.assertIn("--separator", self.prepare("text.txt", "--validation-share", "0.1", status=78).stderr)
        self.prepare("text.txt", "--threads", "0", status=78)
        self.prepare("text.txt", "--format", "megatron", status=64)
        self.prepare("text.txt", tokenizer="missing", status=78)
        self.assert_no_output()

    def test_refuses_tokens_and_its_own_input_as_output(self):
        self.prepare("text.txt", output="tokens.bin")
        self.assertIn("has tokens already", self.prepare("tokens.bin", status=65).stderr)
        before = self.bytes_of("text.txt")
        self.assertIn("text.txt is also an input", self.prepare("text.txt", output="text.txt", status=78).stderr)
        self.assertEqual(self.bytes_of("text.txt"), before)
        self.assert_no_output()

    def test_reports_a_full_disk_and_continues_on_a_larger_one(self):
        disk = self.directory / "disk"
        disk.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)],
                                               capture_output=True).returncode != 0:
            self.skipTest("no permission to mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", str(disk)], check=True)
        self.write("a.jsonl", json_lines(6000))
        output = str(disk / "out.bin")
        self.prepare("a.jsonl", output=output, status=74)
        self.assertFalse((disk / "out.bin").exists())
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        self.prepare("a.jsonl", output=output)
        self.prepare("a.jsonl")
        self.assert_same((disk / "out.bin").read_bytes(), self.bytes_of())

    def test_holds_out_documents_by_their_text(self):
        self.write("a.txt", "<|endoftext|>".join(f"story {i}\n" for i in range(1000)))
        ended = self.prepare("a.txt", "--separator", "<|endoftext|>", "--validation-share", "0.2")
        self.assertIn("1000 documents", ended.stdout)
        files = [tokens_of(self.directory / name) for name in ("out.bin", "out_validation.bin")]
        train, validation = (tokens.count(END) for tokens in files)
        self.assertEqual(train + validation, 1000)
        self.assertAlmostEqual(validation, 200, delta=60)

    def test_makes_a_file_that_train_gpt_trains_on(self):
        self.write("a.jsonl", json_lines(300, length=100))
        self.prepare("a.jsonl", "--validation-share", "0.2", output="tokens.bin")
        ended = self.train("run", "--set", f"data.path={self.directory}/tokens.bin", "--set",
                           f"data.validation_path={self.directory}/tokens_validation.bin", "--set",
                           "schedule.steps=12")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertGreater(self.lines("run"), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
