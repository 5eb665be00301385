#include <algorithm>
#include <cstring>
#include <vector>

#include "fuzz/memory_file.h"
#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/token_file.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::fuzz {
namespace {

// The file with correct checksums, if the header is consistent with the size of the file.
std::string resealed(std::string_view bytes) {
  std::string file(bytes);
  io::TokenFileHeader header;
  if (file.size() < sizeof(header)) return file;
  std::memcpy(&header, file.data(), sizeof(header));
  const bool is_small = header.tokens < file.size() && header.token_bytes <= 4 &&
                        header.block_bytes > 0 && header.block_bytes < file.size() &&
                        header.description_bytes < file.size();
  if (!is_small || header.file_bytes() != file.size()) return file;
  const uint64_t end = header.tokens * header.token_bytes;
  for (uint64_t block = 0; block < header.blocks(); ++block) {
    const uint64_t begin = block * header.block_bytes;
    const uint64_t hash = io::hash_of(std::string_view(file).substr(
        header.tokens_offset() + begin, std::min(header.block_bytes, end - begin)));
    std::memcpy(file.data() + header.table_offset() + block * sizeof(hash), &hash, sizeof(hash));
  }
  header.table_hash = io::hash_of(std::string_view(file).substr(header.tokens_end()));
  std::memcpy(file.data(), &header, sizeof(header));
  header.hash = io::hash_of(file.substr(0, offsetof(io::TokenFileHeader, hash)) +
                            file.substr(sizeof(header), header.tokens_offset() - sizeof(header)));
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

bool read(std::string_view bytes) {
  const MemoryFile file(bytes);
  try {
    const auto store = io::TokenFile::open(file.path());
    std::vector<int32_t> tokens(static_cast<std::size_t>(store->size()));
    store->copy(0, tokens);
    for (const int32_t token : tokens)
      require(token >= 0 && token < store->tokenizer().vocabulary_size(),
              "a token is in the vocabulary");
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace

bool parse_token_file(std::string_view bytes) {
  const bool is_sealed = read(bytes);
  return read(resealed(bytes)) || is_sealed;
}

}  // namespace ripieno::fuzz
