#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/megatron.h"

namespace ripieno::fuzz {
namespace {

// A folder that is removed when the process ends.
class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "ripieno_megatron_XXXXXX";
    require(::mkdtemp(name.data()) != nullptr, "a folder can be made");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string stem() const { return (path_ / "data").string(); }

 private:
  std::filesystem::path path_;
};

void write(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

bool parse_megatron(std::string_view bytes) {
  static const Folder folder;
  const std::size_t tokens = bytes.empty() ? 0 : static_cast<unsigned char>(bytes.front());
  const std::size_t end = std::min(bytes.size(), 1 + tokens);
  write(folder.stem() + ".bin", bytes.empty() ? bytes : bytes.substr(1, end - 1));
  write(folder.stem() + ".idx", bytes.substr(end));
  try {
    const auto store = io::open_megatron(folder.stem(), io::Tokenizer::external("fuzz", 256));
    int64_t in_documents = 0;
    io::visit_megatron_documents(folder.stem(), [&](int64_t count) { in_documents += count; });
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
