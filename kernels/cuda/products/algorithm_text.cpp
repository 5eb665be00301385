// The text format of algorithm choices (docs/algorithm_cache.md):
//
//   device NVIDIA H200, compute capability 9.0, …
//   <checksum> fused|apart <the algorithm's 64 bytes> <nanoseconds> <the product>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "ripieno/kernels/cuda/products/algorithm_choices.h"
#include "ripieno/kernels/cuda/runtime/cache_files.h"

namespace ripieno::kernels::cuda {
namespace {

constexpr std::string_view kDevice = "device ";

bool read_hexadecimal(std::string_view digits, uint64_t& word) {
  if (digits.size() != 16) return false;
  const auto end = std::from_chars(digits.data(), digits.data() + 16, word, 16);
  return end.ec == std::errc() && end.ptr == digits.data() + 16;
}

bool read_seconds(std::string_view digits, double& seconds) {
  constexpr int64_t kMost = 1'000'000'000'000;  // nanoseconds, which a double holds exactly
  int64_t nanoseconds = -1;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, nanoseconds);
  seconds = static_cast<double>(nanoseconds) * 1e-9;
  return read.ec == std::errc() && read.ptr == end && nanoseconds >= 0 && nanoseconds <= kMost;
}

std::string_view take_until(std::string_view& text, char end) {
  const std::size_t size = std::min(text.find(end), text.size());
  const std::string_view part = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return part;
}

std::string line_of(const ChoiceName& name, const AlgorithmChoice& choice) {
  std::string line = choice.fused ? "fused " : "apart ";
  for (const uint64_t word : choice.algorithm.words) line += hexadecimal(word);
  line += ' ';
  line += std::to_string(std::llround(choice.seconds * 1e9));
  line += ' ';
  line += name.key;
  return sealed(name.identity, line);
}

bool read_line(std::string_view line, ChoiceName& name, AlgorithmChoice& choice) {
  uint64_t checksum = 0;
  if (!read_hexadecimal(take_until(line, ' '), checksum)) return false;
  if (checksum != checksum_of({name.identity, line})) return false;
  const std::string_view way = take_until(line, ' ');
  if (way != "fused" && way != "apart") return false;
  choice.fused = way == "fused";
  std::string_view words = take_until(line, ' ');
  if (words.size() != 16 * choice.algorithm.words.size()) return false;
  for (uint64_t& word : choice.algorithm.words) {
    if (!read_hexadecimal(words.substr(0, 16), word)) return false;
    words.remove_prefix(16);
  }
  if (!read_seconds(take_until(line, ' '), choice.seconds)) return false;
  name.key = line;
  return true;
}

}  // namespace

std::string sealed(std::string_view identity, std::string_view line) {
  return hexadecimal(checksum_of({identity, line})) + " " + std::string(line);
}

std::string to_text(const std::map<ChoiceName, AlgorithmChoice>& choices) {
  std::string text;
  const std::string* identity = nullptr;
  for (const auto& [name, choice] : choices) {
    if (!identity || *identity != name.identity) {
      text += std::string(kDevice) + name.identity + "\n";
      identity = &name.identity;
    }
    text += line_of(name, choice) + "\n";
  }
  return text;
}

ReadChoices choices_in(std::string_view text) {
  ReadChoices read;
  ChoiceName name;
  while (!text.empty()) {
    const bool whole = text.find('\n') != std::string_view::npos;
    const std::string_view line = take_until(text, '\n');
    if (line.starts_with(kDevice)) {
      name.identity = line.substr(kDevice.size());
      continue;
    }
    AlgorithmChoice choice;
    if (whole && read_line(line, name, choice)) {
      read.choices.insert_or_assign(name, choice);
    } else {
      ++read.damaged_lines;
    }
  }
  return read;
}

}  // namespace ripieno::kernels::cuda
