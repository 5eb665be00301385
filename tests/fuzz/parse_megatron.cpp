#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/megatron.h"

namespace ripieno::fuzz {
namespace {

// A pair of files in memory, which two symbolic links give the names that the reader needs.
class Pair {
 public:
  Pair() {
    std::string name = std::filesystem::temp_directory_path() / "ripieno_megatron_XXXXXX";
    require(::mkdtemp(name.data()) != nullptr, "a folder can be made");
    folder_ = name;
    for (const auto& [ending, file] : {std::pair{".bin", tokens_}, std::pair{".idx", index_}})
      std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(file), stem() + ending);
  }
  ~Pair() {
    std::filesystem::remove_all(folder_);
    ::close(tokens_);
    ::close(index_);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  std::string stem() const { return (folder_ / "data").string(); }
  void write(std::string_view tokens, std::string_view index) const {
    write(tokens_, tokens);
    write(index_, index);
  }

 private:
  static void write(int file, std::string_view bytes) {
    require(::ftruncate(file, 0) == 0, "the memory file can be emptied");
    require(::pwrite(file, bytes.data(), bytes.size(), 0) == std::ssize(bytes),
            "the memory file can be written");
  }

  const int tokens_ = ::memfd_create("bin", MFD_CLOEXEC);
  const int index_ = ::memfd_create("idx", MFD_CLOEXEC);
  std::filesystem::path folder_;
};

}  // namespace

bool parse_megatron(std::string_view bytes) {
  static const Pair pair;
  const std::size_t tokens = bytes.empty() ? 0 : static_cast<unsigned char>(bytes.front());
  const std::size_t end = std::min(bytes.size(), 1 + tokens);
  pair.write(bytes.substr(std::min<std::size_t>(1, end), end - std::min<std::size_t>(1, end)),
             bytes.substr(end));
  try {
    const auto store = io::open_megatron(pair.stem(), io::Tokenizer::external("fuzz", 256));
    int64_t in_documents = 0;
    io::visit_megatron_documents(pair.stem(), [&](int64_t count) { in_documents += count; });
    require(in_documents == store->size(), "the documents have all tokens");
    std::vector<int32_t> read(static_cast<std::size_t>(store->size()));
    store->copy(0, read);
    require(std::all_of(read.begin(), read.end(), [](int32_t id) { return id >= 0 && id < 256; }),
            "a token is in the vocabulary");
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace ripieno::fuzz
