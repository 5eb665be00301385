#include "ripieno/kernels/cuda/runtime/cache_files.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include "ripieno/kernels/fnv1a.h"

namespace ripieno::kernels::cuda {
namespace {

const char* setting(const char* name) {
  const char* const value = std::getenv(name);
  return value && *value ? value : nullptr;
}

}  // namespace

std::filesystem::path cache_folder() {
  if (const char* folder = setting("RIPIENO_CACHE_DIR")) return folder;
  if (const char* folder = setting("XDG_CACHE_HOME")) {
    return std::filesystem::path(folder) / "ripieno";
  }
  if (const char* home = setting("HOME")) {
    return std::filesystem::path(home) / ".cache" / "ripieno";
  }
  return {};
}

std::optional<std::string> content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Writes to a temporary file with a unique name, and then renames it.
bool write_whole(const std::filesystem::path& file, const std::string& content) {
  static std::atomic<int> written = 0;
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  const std::filesystem::path temporary =
      file.string() + "." + std::to_string(getpid()) + "." + std::to_string(written++);
  std::ofstream out(temporary, std::ios::binary);
  out << content;
  out.close();
  if (out) std::filesystem::rename(temporary, file, error);
  if (out && !error) return true;
  std::filesystem::remove(temporary, error);
  return false;
}

uint64_t checksum_of(std::initializer_list<std::string_view> parts) {
  uint64_t hash = kFnv1aStart;
  for (const std::string_view part : parts) hash = fnv1a(part, hash);
  return hash;
}

std::string hexadecimal(uint64_t word) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits(16, '0');
  for (int i = 15; i >= 0; --i, word >>= 4)
    digits[static_cast<std::size_t>(i)] = kDigits[word & 15];
  return digits;
}

}  // namespace ripieno::kernels::cuda
