#include <stdexcept>
#include <string>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/io/files/sealed_json.h"

namespace ripieno::fuzz {
namespace {

bool read_manifest_text(std::string_view text) {
  try {
    const io::Manifest manifest = io::manifest_from_text(text);
    const std::string again = io::to_text(manifest);
    require(io::to_text(io::manifest_from_text(again)) == again,
            "a manifest reads back as it was written");
    for (const io::SavedTensor& tensor : manifest.tensors) {
      int64_t elements = 0;
      for (const io::Piece& piece : tensor.pieces) elements += piece.count;
      require(elements == tensor.shape.elements(),
              "the pieces have as many elements as the tensor");
      require(dense_strides(tensor.shape).rank() == tensor.shape.rank(),
              "the strides fit into 64 bits");
    }
    return true;
  } catch (const DataError& error) {
    require(std::string_view(error.what()).find('\n') == std::string_view::npos,
            "the error message is one line");
    return false;
  }
}

bool read_side_text(std::string_view text) {
  try {
    const io::Side side = io::side_from_text(text);
    const std::string again = io::to_text(side);
    require(io::to_text(io::side_from_text(again)) == again,
            "a side file reads back as it was written");
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace

void require(bool holds, const char* property) {
  if (!holds) throw std::logic_error(property);
}

bool parse_manifest(std::string_view bytes) {
  const bool is_sealed = read_manifest_text(bytes);
  return read_manifest_text(io::seal(bytes)) || is_sealed;
}

bool parse_side_file(std::string_view bytes) {
  const bool is_sealed = read_side_text(bytes);
  return read_side_text(io::seal(bytes)) || is_sealed;
}

}  // namespace ripieno::fuzz
