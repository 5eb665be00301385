#!/usr/bin/env python3
"""`ripieno inspect` of token files and texts."""
import json
import pathlib
import subprocess
import unittest

from programs import BIN, ProgramTest

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
TOKENIZER = FIXTURES / "tokenizers/gpt2"
TOKENS = FIXTURES / "tokens"
RIPIENO = str(BIN / "ripieno")


class InspectData(ProgramTest):
    def inspect(self, *arguments, status=0):
        ended = subprocess.run([RIPIENO, "inspect", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                               cwd=self.directory)
        self.assertEqual(ended.returncode, status, ended.stdout + ended.stderr)
        return ended.stdout if status == 0 else ended.stderr

    def as_json(self, *arguments):
        return json.loads(self.inspect(*arguments, "--json"))

    def write(self, name, text):
        (self.directory / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def test_counts_the_documents_of_a_megatron_pair(self):
        for name in ("real_megatron", "real_megatron.bin", "real_megatron.idx"):
            found = self.as_json(TOKENS / name)
            self.assertEqual(found["size"], 14)
            self.assertEqual(found["largest_token"], 50256)
            self.assertEqual(found["documents"]["count"], 4)
            self.assertEqual(found["documents"]["lengths"], [{"from": 1, "to": 1, "documents": 1},
                                                             {"from": 4, "to": 7, "documents": 3}])
            self.assertEqual(found["samples"][0]["tokens"], [7, 50256, 0, 1])
        with_an_empty_one = self.as_json(TOKENS / "megatron")
        self.assertEqual(with_an_empty_one["documents"]["count"], 4)
        self.assertEqual(with_an_empty_one["documents"]["shortest"], 0)

    def test_describes_files_of_llmc_and_nanogpt(self):
        text = self.inspect(TOKENS / "llmc_gpt2.bin")
        self.assertIn("format      llm.c tokens, 1 file, 3.02 kB\n", text)
        self.assertIn("tokens      1,000\n", text)
        self.assertIn("vocabulary  50,257 tokens; the largest token is 50232\n", text)
        self.assertIn("documents   1, separated by token 50256;", text)
        self.assertIn("  1,000 tokens: 0 1 4 9 16 ", text)
        found = self.as_json(TOKENS / "nanogpt.bin", "--format", "nanogpt")
        self.assertEqual((found["size"], found["documents"]), (1000, None))
        self.assertIn("data.format, nanogpt", self.inspect(TOKENS / "nanogpt.bin", status=65))

    def test_decodes_the_documents_of_a_token_file(self):
        self.write("a.txt", "<|endoftext|>".join(f"story {i}\n" for i in range(20)))
        subprocess.run([RIPIENO, "prepare", "a.txt", "--separator", "<|endoftext|>", "--tokenizer", str(TOKENIZER),
                        "--output", "a.bin", "--quiet"], cwd=self.directory, check=True, timeout=60)
        found = self.as_json("a.bin", "--samples", "2")
        self.assertEqual([sample["text"] for sample in found["samples"]], ["story 0\n", "story 1\n"])
        self.assertEqual(found["documents"]["count"], 20)
        self.assertEqual(found["counted"], found["size"])
        self.assertIn(" tokens: story 0\\n\n", self.inspect("a.bin"))

    def test_measures_texts_in_bytes_or_tokens(self):
        self.write("a.jsonl", "".join(json.dumps({"text": "a" * n}) + "\n" for n in (1, 2, 3, 100)))
        found = self.as_json("a.jsonl")
        self.assertEqual((found["format"], found["unit"], found["size"]), ("jsonl", "bytes", 106))
        self.assertEqual(found["documents"]["lengths"], [{"from": 1, "to": 1, "documents": 1},
                                                         {"from": 2, "to": 3, "documents": 2},
                                                         {"from": 64, "to": 127, "documents": 1}])
        self.assertEqual(found["documents"]["mean_length"], 26.5)
        in_tokens = self.as_json("a.jsonl", "--tokenizer", TOKENIZER)
        self.assertEqual(in_tokens["unit"], "tokens")
        self.assertLess(in_tokens["size"], 106)
        self.write("b.txt", "b" * 1000)
        self.assertEqual(self.as_json("b.txt")["documents"]["longest"], 1000)
        self.write("c.bin", (TOKENS / "llmc_gpt2.bin").read_bytes())
        self.assertIn("inspect files of one kind", self.inspect("[bc].*", status=65))

    def test_reads_parquet(self):
        found = self.as_json(FIXTURES / "parquet/zstd_v2.parquet")
        self.assertEqual((found["format"], found["documents"]["count"]), ("parquet", 43))
        self.assertEqual(found["samples"][1]["text"], "row 1: caffè ☕ ")
        self.assertEqual(found["columns"], ["id", "meta", "text", "tags"])
        prompts = self.inspect(FIXTURES / "parquet/prompts.parquet", "--content", "completion")
        self.assertIn("of which the loss counts ", prompts)
        self.write("a.jsonl", '{"q": "one", "a": "two"}\n')
        fields = ("--content", "completion", "--prompt-field", "q", "--completion-field", "a")
        self.assertIn("onetwo", self.inspect("a.jsonl", *fields))

    def test_counts_what_it_leaves_out(self):
        self.write("a.jsonl", '{"text": "a"}\nno JSON\n')
        self.assertIn("a.jsonl: line 2 ", self.inspect("a.jsonl", status=65))
        self.assertIn("left out   1; the first: a.jsonl: line 2 ", self.inspect("a.jsonl", "--on-error", "skip"))
        self.assertEqual(self.as_json("a.jsonl", "--on-error", "skip")["skipped"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
