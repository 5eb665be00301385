"""Whole runs of both kinds of language models: ranks, shards, recomputation, documents, generation."""
import json
import subprocess
import unittest

import programs

KINDS = {
    "gpt": (),
    "llama": ("--set", "model.kind=llama", "--set", "model.key_value_heads=1"),
}
STRICT = ("--set", "parallel.strict=true")


class LanguageModels(programs.ProgramTest):
    STEPS = 20

    def setUp(self):
        super().setUp()
        whole = self.configuration.read_text()
        self.configuration.write_text(whole.replace("dropout = 0.1\n", ""))

    def each_kind(self):
        for kind, arguments in KINDS.items():
            with self.subTest(kind):
                yield kind, arguments

    def generate(self, run, *arguments):
        command = [programs.BIN / "generate", self.directory / run, *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)

    def tool(self, *arguments):
        ended = subprocess.run([str(programs.BIN / "ripieno"), *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout

    def test_recomputation_changes_no_bit(self):
        for kind, arguments in self.each_kind():
            plain = self.finish(f"{kind}_plain", *arguments)
            self.assertEqual(len(plain), self.STEPS)
            self.assertEqual(self.finish(f"{kind}_again", *arguments, "--set", "train.recompute=blocks"), plain)

    @programs.needs_mpi
    def test_two_ranks_equal_one_bitwise_in_strict_mode(self):
        for kind, arguments in self.each_kind():
            one = self.finish(f"{kind}_one", *arguments, *STRICT)
            self.assertEqual(self.finish(f"{kind}_two", *arguments, *STRICT, ranks=2), one)

    @programs.needs_mpi
    def test_shards_have_the_losses_of_one_rank(self):
        for kind, arguments in self.each_kind():
            one = self.finish(f"{kind}_one", *arguments)
            for shard in ("optimizer", "gradients"):
                other = self.finish(f"{kind}_{shard}", *arguments, "--set", f"parallel.shard={shard}", ranks=2)
                for step, loss in one.items():
                    self.assertAlmostEqual(other[step], loss, places=4)

    def test_a_resumed_run_equals_one_without_a_break(self):
        for kind, arguments in self.each_kind():
            whole = self.finish(f"{kind}_whole", *arguments)
            self.finish(f"{kind}_parts", *arguments, "--steps", 7)
            self.assertEqual(self.finish(f"{kind}_parts", *arguments), whole)

    def test_a_converted_run_generates_the_same_text(self):
        for kind, arguments in self.each_kind():
            self.finish(kind, *arguments)
            text = self.generate(kind, "--prompt", "ab", "--max-tokens", 40, "--device", "cpu")
            self.assertEqual(text.returncode, 0, text.stderr)
            self.assertEqual(len(text.stdout), 2 + 40 + 1)
            self.tool("convert", self.directory / kind, self.directory / f"{kind}_hf", "--quiet")
            self.tool("convert", self.directory / f"{kind}_hf", self.directory / f"{kind}_back", "--quiet")
            back = self.generate(f"{kind}_back", "--prompt", "ab", "--max-tokens", 40, "--device", "cpu")
            self.assertEqual(back.stdout, text.stdout)
            files = {path.name for path in (self.directory / f"{kind}_hf").iterdir()}
            self.assertEqual(files, {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
                                     "tokenizer_config.json"})

    def test_each_of_several_samples_is_the_sample_of_its_number(self):
        self.finish("run")
        several = self.generate("run", "--prompt", "ab", "--max-tokens", 20, "--samples", 3, "--device", "cpu").stdout
        alone = self.generate("run", "--prompt", "ab", "--max-tokens", 20, "--device", "cpu").stdout
        texts = [part.split("\n", 1)[1] for part in several.split("--- sample ")[1:]]
        self.assertEqual(len(texts), 3)
        self.assertEqual(texts[0], alone)
        self.assertEqual(len(set(texts)), 3)

    def test_bad_options_of_generate_are_refused_in_one_line(self):
        self.finish("run", "--steps", 1)
        for option, value in (("--top-p", 0), ("--top-p", 1.5), ("--top-k", -1), ("--temperature", "nan"),
                              ("--repetition-penalty", 0.5), ("--samples", 0), ("--max-tokens", 0), ("--seed", -1)):
            ended = self.generate("run", option, value)
            self.assertEqual(ended.returncode, 64, (option, value))
            self.assertRegex(ended.stderr, r"\Agenerate: --[^\n]+\n\Z")

    def test_separate_documents_are_trained_and_recorded(self):
        (self.directory / "documents.jsonl").write_text(
            "".join(json.dumps({"text": programs.text(20 + i % 7)}) + "\n" for i in range(300)))
        tokenizer = self.directory / "tokenizer.json"
        self.tool("train_tokenizer", self.directory / "text.txt", "--vocabulary", 300, "--output", tokenizer)
        data = ("--set", f"data.path={self.directory}/documents.jsonl", "--set", f"data.tokenizer={tokenizer}")
        for kind, arguments in self.each_kind():
            stream = self.finish(f"{kind}_stream", *arguments, *data)
            separate = self.finish(f"{kind}_separate", *arguments, *data, "--set", "data.documents=separate")
            self.assertNotEqual(separate, stream)
            self.assertLess(separate[self.STEPS], separate[1])
        start = json.loads((self.directory / "gpt_separate/run.json").read_text())["starts"][-1]
        self.assertEqual(start["configuration"]["data"]["documents"], "separate")
        self.assertRegex(start["configuration"]["hyperparameters"]["tokenizer"], r"\A[0-9a-f]{16}\Z")

    def test_separate_documents_require_a_token_that_ends_them(self):
        ended = self.train("run", "--set", "data.documents=separate")
        self.assertEqual(ended.returncode, 78)
        self.assertIn("requires a tokenizer with a token that ends documents", ended.stderr)


if __name__ == "__main__":
    unittest.main()
