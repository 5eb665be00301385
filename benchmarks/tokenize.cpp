// tokenize: the speed of a byte-pair tokenizer on one core, and the time per byte on texts that are
// made to be slow. Peers: benchmarks/peers/tokenizers_peer.py.
//
//   tokenize --tokenizer tokenizer.json --text english.txt --text code.txt
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "program.h"
#include "ripieno/io/data/tokenizer.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"

namespace {

using namespace ripieno;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMadeBytes = 10'000'000;

struct Arguments {
  std::string tokenizer;
  std::vector<std::string> texts;
  int repeats = 5;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Prints a line with the best of the repeats.
void measure(const io::Tokenizer& tokenizer, const std::string& name, std::string_view text,
             int repeats) {
  double best = 1e30;
  std::vector<int32_t> tokens;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = Clock::now();
    tokens = tokenizer.encode(text);
    best = std::min(best, seconds_since(begin));
  }
  const auto decode_begin = Clock::now();
  tokenizer.decode(tokens);
  const double decode_seconds = seconds_since(decode_begin);
  const auto bytes = static_cast<double>(text.size());
  std::cout << nlohmann::json{{"text", name},
                              {"bytes", text.size()},
                              {"tokens", tokens.size()},
                              {"seconds", best},
                              {"megabytes_per_second", bytes / best / 1e6},
                              {"nanoseconds_per_byte", best / bytes * 1e9},
                              {"decode_megabytes_per_second", bytes / decode_seconds / 1e6},
                              {"hash_of_ids",
                               io::hexadecimal(io::hash_of(std::as_bytes(std::span(tokens))))}}
            << std::endl;
}

std::string random_bytes() {
  std::mt19937 random(1);
  std::string bytes(kMadeBytes, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void run(const Arguments& arguments) {
  const auto begin = Clock::now();
  const auto tokenizer = io::Tokenizer::load(arguments.tokenizer);
  std::cout << nlohmann::json{{"tokenizer", arguments.tokenizer},
                              {"vocabulary_size", tokenizer.vocabulary_size()},
                              {"load_seconds", seconds_since(begin)}}
            << std::endl;
  for (const std::string& path : arguments.texts)
    measure(tokenizer, path, io::read_file(io::local_files(), path), arguments.repeats);
  measure(tokenizer, "one letter", std::string(kMadeBytes, 'a'), arguments.repeats);
  measure(tokenizer, "spaces", std::string(kMadeBytes, ' '), arguments.repeats);
  measure(tokenizer, "random bytes", random_bytes(), arguments.repeats);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Measures the speed of a byte-pair tokenizer on one core.", "tokenize");
  app.add_option("--tokenizer", arguments.tokenizer, "tokenizer file")->required();
  app.add_option("--text", arguments.texts, "text file to encode; may be given several times");
  app.add_option("--repeats", arguments.repeats, "runs, of which the fastest counts (default: 5)");
  return ripieno::benchmarks::run_benchmark(app, argc, argv, [&] { run(arguments); });
}
