#include "ripieno/kernels/cuda/plan_files.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace ripieno::kernels::cuda {
namespace {

// FNV-1a, in hexadecimal.
std::string checksum_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  std::ostringstream digits;
  digits << std::hex << hash;
  return digits.str();
}

std::optional<std::string> content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

PlanFiles::PlanFiles(std::filesystem::path folder, std::string identity)
    : folder_(std::move(folder)), identity_(std::move(identity)) {}

std::filesystem::path PlanFiles::file_of(const std::string& name) const {
  return folder_ / ("plan-" + checksum_of(identity_ + '\n' + name) + ".txt");
}

// A checksum of the rest, the identity and the name, an empty line, the plan.
std::optional<std::string> PlanFiles::read(const std::string& name) const {
  if (folder_.empty()) return std::nullopt;
  const auto content = content_of(file_of(name));
  if (!content) return std::nullopt;
  const std::string_view text = *content;
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(line + 1);
  if (text.substr(0, line) != checksum_of(rest)) return std::nullopt;
  const std::string head = identity_ + '\n' + name + '\n';
  if (rest.substr(0, head.size()) != head) return std::nullopt;
  return std::string(rest.substr(head.size()));
}

// Aside and then renamed, so that another process reads the whole plan or none.
void PlanFiles::write(const std::string& name, const std::string& plan) const {
  if (folder_.empty()) return;
  static std::atomic<int> written = 0;
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const std::filesystem::path file = file_of(name);
  const std::filesystem::path aside =
      file.string() + "." + std::to_string(getpid()) + "." + std::to_string(written++);
  const std::string rest = identity_ + '\n' + name + '\n' + plan;
  std::ofstream out(aside, std::ios::binary);
  out << checksum_of(rest) << '\n' << rest;
  out.close();
  if (out) std::filesystem::rename(aside, file, error);
  if (!out || error) std::filesystem::remove(aside, error);
}

}  // namespace ripieno::kernels::cuda
