#!/usr/bin/env python3
"""`ripieno watch` through a pseudo-terminal, on fake runs of 64 ranks."""
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from fake_run import FakeRun

BIN = pathlib.Path(os.environ["RIPIENO_BIN"])
LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"


class Emulator:
    """What a terminal shows: as much of ECMA-48 as the program uses, and nothing else."""

    SEQUENCE = re.compile(rb"\x1b\[(\??)([0-9;]*)([A-Za-z])")

    def __init__(self, rows, columns):
        self.modes = set()
        self.rest = b""  # of a sequence or character that has not arrived completely
        self.resize(rows, columns)

    def resize(self, rows, columns):
        self.rows, self.columns, self.row, self.column = rows, columns, 0, 0
        self.cells = [[" "] * columns for _ in range(rows)]

    def feed(self, data):
        data, self.rest = self.rest + data, b""
        while data:
            found = self.SEQUENCE.match(data)
            if found:
                self.obey(*found.groups())
                data = data[found.end():]
                continue
            size = next(n for n, first in ((1, 0x80), (2, 0xe0), (3, 0xf0), (4, 0x100)) if data[0] < first)
            if len(data) < size or re.fullmatch(rb"\x1b(\[\??[0-9;]*)?", data):
                self.rest = data
                return
            self.put(data[:size].decode())
            data = data[size:]

    def obey(self, private, numbers, letter):
        if private:
            {b"h": self.modes.add, b"l": self.modes.discard}[letter](int(numbers))
        elif letter == b"H":
            self.row, self.column = (int(n) - 1 for n in numbers.split(b";"))
        elif letter == b"J":
            self.cells = [[" "] * self.columns for _ in range(self.rows)]
        elif letter != b"m":
            raise AssertionError(f"unknown sequence {letter}")

    def put(self, character):
        if character < " " or self.row >= self.rows or self.column >= self.columns:
            raise AssertionError(f"{character!r} outside the screen, at {self.row}, {self.column}")
        self.cells[self.row][self.column] = character
        self.column += 1

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.cells)


class Watched:
    """The program on a pseudo-terminal."""

    def __init__(self, *arguments, rows=24, columns=80, **variables):
        self.master, self.slave = pty.openpty()
        self.emulator = Emulator(rows, columns)
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **variables}
        self.received, self.begin = b"", time.monotonic()
        self.process = subprocess.Popen([BIN / "ripieno", "watch", *map(str, arguments)], env=environment,
                                        stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE,
                                        start_new_session=True, preexec_fn=self.take_terminal)

    def take_terminal(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Everything that arrives within this time."""
        end, got = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                got += os.read(self.master, 1 << 16)
            except OSError:  # the terminal was closed
                break
        self.received += got
        return got

    def wait_for(self, text, seconds=60):
        """Feeds the emulator until it shows a pattern. Returns what it shows."""
        end = time.monotonic() + seconds
        while not re.search(text, self.emulator.text()):
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"{text!r} is not shown:\n{self.emulator.text()}")
            self.emulator.feed(self.read(0.05))
        return self.emulator.text()

    def end(self):
        """The exit status, once the terminal is given back."""
        status = self.process.wait(60)
        self.emulator.feed(self.read(0.2))
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)


class WatchTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ripieno_"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def fake(self, **options):
        run = FakeRun(self.directory / "run", **options)
        self.addCleanup(run.metrics.close)
        return run

    def watch(self, *arguments, **options):
        watched = Watched(*(arguments or [self.directory / "run"]), **options)
        self.addCleanup(watched.close)
        return watched

    def printed(self, *arguments, status=0, **variables):
        environment = {**os.environ, "LC_ALL": "C.UTF-8", **variables}
        ended = subprocess.run([BIN / "ripieno", "watch", *map(str, arguments)], env=environment,
                               stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        self.assertEqual(ended.returncode, status, ended.stderr)
        if status:
            self.assertRegex(ended.stderr, rb"\Aripieno: [^\n]+\n\Z")
        return (ended.stderr if status else ended.stdout).decode()


class OnATerminal(WatchTest):
    def test_a_run_of_64_ranks_fits_a_small_terminal(self):
        run = self.fake()
        run.beat()
        run.train(1200, slow={17: 2.5})
        run.save()
        run.beat()
        watched = self.watch()
        shown = watched.wait_for("64 ranks on[^§]*nothing is wrong|R-")
        for text in ("step 1,200/5,000", "64 ranks on 8 hosts", "63 others", "5,242,880 tokens/s",
                     "1 checkpoint, the newest of step 1,200", "gradient norm 0.9", "[⠀-⣿]{3}"):
            self.assertRegex(shown, text)
        self.assertRegex(shown, r"\n 17 +node-02 +\S+ slow: 1\.\d times the median")
        self.assertLess(shown.index(" 17 "), shown.index("63 others"))
        run.train(10)
        run.beat()
        self.assertIn("step 1,210/5,000", watched.wait_for("step 1,210"))

    def test_no_more_than_two_kilobytes_are_sent_in_a_second(self):
        run = self.fake()
        run.train(10)
        run.beat()
        watched = self.watch(rows=60, columns=200)
        watched.wait_for("q quit")
        sent, begin = 0, time.monotonic()
        for turn in range(12):  # everything changes each time: curve, numbers, bars of all ranks
            run.train(400, slow={rank: 1 + (rank * 7 + turn * 11) % 5 for rank in range(64)})
            run.beat()
            sent += len(watched.read(0.5))
        self.assertGreater(sent, 2000)
        self.assertLessEqual(sent, 1000 * (1 + time.monotonic() - begin))

    def test_what_a_slow_terminal_shows_becomes_complete(self):
        run = self.fake()
        run.train(300)
        run.beat()
        watched = self.watch(rows=50, columns=180)
        watched.wait_for("q quit")
        run.train(900)
        run.beat()
        watched.wait_for("step 1,200/5,000")
        watched.wait_for(r"\n 8 ranks +node-07")
        self.assertEqual(watched.emulator.text().count("8 ranks"), 8)

    def test_it_follows_the_size_of_the_terminal(self):
        self.fake().train(50)
        watched = self.watch()
        watched.wait_for("q quit")
        for rows, columns in [(40, 132), (24, 20), (5, 20), (1, 1), (24, 80)]:
            with self.subTest(rows=rows, columns=columns):
                watched.read(0.3)
                watched.emulator.resize(rows, columns)
                watched.size(rows, columns)
                watched.read(0)  # the emulator complains about anything outside its screen
                watched.process.send_signal(signal.SIGWINCH)
                data = b""
                while b"\x1b[2J" not in data:
                    data += watched.read(0.1)
                watched.emulator.feed(data[data.rindex(b"\x1b[0m\x1b[2J"):])
                watched.wait_for("run" if columns > 1 else "r|q")

    def test_space_pauses_and_q_quits(self):
        run = self.fake()
        run.train(50)
        run.beat()
        watched = self.watch()
        watched.wait_for("step 50/")
        os.write(watched.master, b" ")
        watched.wait_for("paused")
        run.train(10)
        run.beat()
        watched.emulator.feed(watched.read(3))
        self.assertIn("step 50/", watched.emulator.text())
        os.write(watched.master, b" ")
        watched.wait_for("step 60/")
        os.write(watched.master, b"q")
        self.assertEqual(watched.end(), 0)

    def assert_given_back(self, watched):
        self.assertTrue(watched.received.endswith(LEAVE), watched.received[-80:])
        self.assertEqual(termios.tcgetattr(watched.slave), watched.before)
        self.assertEqual(watched.emulator.modes & {1049}, set())
        self.assertIn(25, watched.emulator.modes)

    def test_the_terminal_is_given_back_however_it_ends(self):
        self.fake().train(50)
        for sent in (None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV, signal.SIGABRT):
            with self.subTest(sent):
                watched = self.watch()
                watched.wait_for("q quit")
                self.assertNotEqual(termios.tcgetattr(watched.slave), watched.before)
                watched.process.send_signal(sent) if sent else os.write(watched.master, b"q")
                self.assertEqual(watched.end(), -sent if sent else 0)
                self.assert_given_back(watched)

    def test_an_error_while_it_draws_gives_the_terminal_back(self):
        self.fake().train(50)
        watched = self.watch()
        watched.wait_for("q quit")
        (self.directory / "run").rename(self.directory / "elsewhere")
        self.assertEqual(watched.end(), 64)
        self.assert_given_back(watched)
        self.assertRegex(watched.process.stderr.read(), rb"\Aripieno: [^\n]+ no such directory\n\Z")

    def test_it_can_be_stopped_and_continued(self):
        self.fake().train(50)
        watched = self.watch()
        watched.wait_for("q quit")
        watched.process.send_signal(signal.SIGTSTP)
        while not watched.received.endswith(LEAVE):
            watched.read(0.1)
        self.assertEqual(termios.tcgetattr(watched.slave), watched.before)
        watched.process.send_signal(signal.SIGCONT)
        watched.emulator.resize(24, 80)
        watched.wait_for("q quit")

    def test_storage_that_does_not_respond_does_not_block_it(self):
        run = self.fake()
        os.remove(self.directory / "run" / "metrics.jsonl")
        os.mkfifo(self.directory / "run" / "metrics.jsonl")  # opening it waits for a writer
        run.beat()
        watched = self.watch()
        watched.wait_for("storage has not responded for")
        os.write(watched.master, b"q")
        self.assertEqual(watched.end(), 0)


class WhatItShows(WatchTest):
    def test_a_rank_without_heartbeats_is_behind(self):
        run = self.fake()
        run.train(20)
        run.beat()
        run.write(5, unix=time.time_ns() - 20 * 10**9)
        shown = self.printed(self.directory / "run")
        self.assertRegex(shown, r"\n 5 +node-00 .*behind 2\d s: no heartbeat")
        self.assertIn("63 others", shown)

    def test_a_rank_for_which_the_others_wait_is_behind(self):
        run = self.fake()
        run.train(20)
        run.beat({rank: 9 for rank in range(64) if rank != 5})
        run.write(5, since=40)
        self.assertRegex(self.printed(self.directory / "run"), r"\n 5 +node-00 .*behind 4\d s: step")

    def test_a_clock_that_was_set_back_makes_no_rank_silent(self):
        run = self.fake()
        run.train(20)
        run.beat()
        for rank in range(64):
            run.write(rank, unix=time.time_ns() + 3600 * 10**9)
        self.assertNotIn("behind", self.printed(self.directory / "run"))

    def test_many_remarkable_ranks_share_rows(self):
        run = self.fake()
        run.train(20)
        run.beat()
        for rank in range(3, 40):
            run.write(rank, unix=time.time_ns() - 30 * 10**9)
        shown = self.printed(self.directory / "run")
        self.assertRegex(shown, r"\d+ more .*behind 3\d s: no heartbeat")
        self.assertIn("27 others", shown)
        self.assertLessEqual(len(shown.splitlines()), 24)

    def test_without_utf8_it_uses_ascii_only(self):
        run = self.fake()
        run.train(500)
        run.beat()
        shown = self.printed(self.directory / "run", LC_ALL="C", LANG="C")
        self.assertTrue(shown.isascii())
        self.assertIn("*", shown)
        self.assertRegex(self.printed(self.directory / "run"), "[⠀-⣿]")

    def test_without_a_terminal_it_prints_once_or_a_line_per_interval(self):
        run = self.fake()
        run.train(500)
        run.beat()
        self.assertNotIn("\x1b", self.printed(self.directory / "run"))
        for rank in range(64):
            run.write(rank, end=(1, 0, 0, ""))
        lines = self.printed(self.directory / "run", "--every", "0.1").splitlines()
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], "step 500/5,000.*finished")

    def test_lines_end_with_a_run_without_records_of_ranks(self):
        run = self.fake()
        run.train(run.steps)
        shutil.rmtree(self.directory / "run" / "ranks")
        lines = self.printed(self.directory / "run", "--every", "0.1").splitlines()
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], "step 5,000/5,000.*finished")

    def test_a_run_that_is_being_written_is_read_as_far_as_it_is_whole(self):
        run = self.fake()
        run.train(30)
        run.metrics.write('{"step":31,"lo')
        run.metrics.flush()
        (self.directory / "run" / "run.json").write_text('{"starts": [')
        record = run.folder(9) / "flight_record.bin"
        record.write_bytes(record.read_bytes()[:1000])
        shown = self.printed(self.directory / "run")
        self.assertRegex(shown, "step 30 ")
        self.assertRegex(shown, "not read: |R-")

    def test_a_large_file_is_read_in_parts(self):
        run = self.fake(ranks=2, steps=400000)
        run.train(200000)
        run.beat()
        self.assertGreater((self.directory / "run" / "metrics.jsonl").stat().st_size, 20 << 20)
        self.assertIn("step 200,000/400,000", self.printed(self.directory / "run"))

    def test_what_cannot_be_read_is_reported_on_one_line(self):
        (self.directory / "empty").mkdir()
        self.assertIn("not a run directory", self.printed(self.directory / "empty", status=64))
        self.assertIn("no such directory", self.printed(self.directory / "nowhere", status=64))
        self.fake(ranks=1)
        record = self.directory / "run" / "ranks" / "rank_00000" / "flight_record.bin"
        record.write_bytes(record.read_bytes()[:8] + b"\x09" + record.read_bytes()[9:])
        self.assertIn("version 9", self.printed(self.directory / "run", status=65))


if __name__ == "__main__":
    unittest.main()
