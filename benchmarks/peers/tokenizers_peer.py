#!/usr/bin/env python3
"""Compares Ripieno's tokenizer with the libraries `tokenizers` and `tiktoken`: ids and speed.

    python3 -m venv peers && peers/bin/pip install tokenizers tiktoken numpy
    peers/bin/python benchmarks/peers/tokenizers_peer.py --bin build/release/bin \\
        --tokenizer tokenizer.json --text english.txt code.txt

Prints a JSON object per text: megabytes per second of each on one core, and whether the ids are
the same. Every code point is a text of its own. Exits with 1 if any ids differ.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import numpy
import tiktoken
import tokenizers

GPT2 = (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s")


def every_code_point():
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    return "".join(f"a{c}b {c}{c}\n{c} '{c}1{c}2\n" for c in characters)


def tiktoken_of(file):
    """The same vocabulary for tiktoken: merges become ranks. None unless the pattern is GPT-2's."""
    if file["pre_tokenizer"]["type"] != "ByteLevel":
        return None
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in kept]
    byte_of = {chr(byte): byte for byte in kept}
    byte_of |= {chr(256 + index): byte for index, byte in enumerate(moved)}
    ranks = {bytes(byte_of[c] for c in token): rank
             for token, rank in file["model"]["vocab"].items()
             if all(c in byte_of for c in token) and not token.startswith("<|")}
    special = {token["content"]: token["id"] for token in file["added_tokens"]}
    return tiktoken.Encoding("gpt2", pat_str=GPT2, mergeable_ranks=ranks, special_tokens=special)


def ours(arguments, path):
    command = [arguments.bin / "ripieno", "tokenize", "--tokenizer", arguments.tokenizer]
    with open(path, "rb") as text:
        output = subprocess.run(command, stdin=text, stdout=subprocess.PIPE, check=True).stdout
    return numpy.fromstring(output.decode(), dtype=numpy.int32, sep=" ")


def our_speed(arguments, path):
    command = [arguments.bin / "tokenize", "--tokenizer", arguments.tokenizer, "--text", path]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(lines.splitlines()[1])["megabytes_per_second"]


def timed(encode, text):
    """(ids, seconds)"""
    begin = time.perf_counter()
    ids = encode(text)
    return numpy.array(ids, dtype=numpy.int32), time.perf_counter() - begin


def compare(arguments, name, path, library, encoding):
    text = path.read_text(errors="strict", newline="")
    result = {"text": name, "bytes": path.stat().st_size,
              "ripieno_megabytes_per_second": our_speed(arguments, path)}
    ids = ours(arguments, path)
    result["tokens"] = len(ids)
    peers = {"tokenizers": lambda part: library.encode(part, add_special_tokens=False).ids}
    if encoding is not None:
        peers["tiktoken"] = lambda part: encoding.encode(part, allowed_special="all")
    for peer, encode in peers.items():
        theirs, seconds = timed(encode, text)
        result[f"{peer}_megabytes_per_second"] = result["bytes"] / seconds / 1e6
        result[f"same_ids_as_{peer}"] = bool(numpy.array_equal(ids, theirs))
    print(json.dumps(result), flush=True)
    return all(value for key, value in result.items() if key.startswith("same"))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="tokenizer.json")
    parser.add_argument("--text", type=pathlib.Path, nargs="*", default=[], help="UTF-8 files")
    arguments = parser.parse_args()
    library = tokenizers.Tokenizer.from_file(str(arguments.tokenizer))
    encoding = tiktoken_of(json.loads(arguments.tokenizer.read_text()))
    with tempfile.TemporaryDirectory() as folder:
        code_points = pathlib.Path(folder) / "code_points"
        code_points.write_text(every_code_point(), newline="")
        texts = [("every code point", code_points), *((str(path), path) for path in arguments.text)]
        same = [compare(arguments, name, path, library, encoding) for name, path in texts]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
