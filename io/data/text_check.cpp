#include "ripieno/io/data/text_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ripieno::io {
namespace {

using namespace std::literals;

constexpr auto kUnpack = "unpack it first"sv;
constexpr auto kTokens =
    "token ids need the format ripieno, llmc, megatron, or, named by data.format, nanogpt "
    "(docs/data_formats.md)"sv;
constexpr auto kNotText = "data.path must be text, JSON lines or tokens (docs/data_formats.md)"sv;

struct Kind {
  std::string_view magic;
  std::string_view name;
  std::string_view remedy;
  std::size_t at = 0;
};

constexpr std::array kKinds = {
    Kind{"RIPTOKEN"sv, "a token file", "open it with TokenData::open"},
    Kind{"\x89HDF\r\n\x1a\n"sv, "an HDF5 file", kNotText},
    Kind{"\x1f\x8b"sv, "a gzip archive", kUnpack},
    Kind{"\x28\xb5\x2f\xfd"sv, "a Zstandard archive", kUnpack},
    Kind{"\xfd"
         "7zXZ\0"sv,
         "an xz archive", kUnpack},
    Kind{"1AY&SY"sv, "a bzip2 archive", kUnpack, 4},
    Kind{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive", kUnpack},
    Kind{"\x04\x22\x4d\x18"sv, "an lz4 archive", kUnpack},
    Kind{"PK\x03\x04"sv, "a zip archive (or a PyTorch, NumPy or Office file)", kUnpack},
    Kind{"ustar"sv, "a tar archive", kUnpack, 257},
    Kind{"\x93NUMPY"sv, "a NumPy array", kTokens},
    Kind{"MMIDIDX\0"sv, "a Megatron index", "give it with its .bin file beside it"},
    Kind{"PAR1"sv, "a Parquet file", "set data.format to parquet"},
    Kind{"ARROW1"sv, "an Arrow file", "export its text first"},
    Kind{"SQLite format 3\0"sv, "an SQLite database", "export its text first"},
    Kind{"%PDF-"sv, "a PDF", "extract its text first (pdftotext)"},
    Kind{"GGUF"sv, "a GGUF model", kNotText},
    Kind{"\x89PNG\r\n"sv, "a PNG image", kNotText},
    Kind{"\xff\xd8\xff"sv, "a JPEG image", kNotText},
    Kind{"\x7f"
         "ELF"sv,
         "a program (ELF)", kNotText},
    Kind{"\xff\xfe\0\0"sv, "UTF-32 text", "convert it: iconv -f UTF-32 -t UTF-8"},
    Kind{"\0\0\xfe\xff"sv, "UTF-32 text", "convert it: iconv -f UTF-32 -t UTF-8"},
    Kind{"\xff\xfe"sv, "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"},
    Kind{"\xfe\xff"sv, "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"},
};

bool is_printed(char byte) {
  return (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\r' || byte == '\t';
}

// The fraction of 16-bit words whose high byte is NUL and whose low byte is a printable ASCII
// character. `high`: index of the high byte in each pair, 0 or 1.
double share_of_characters(std::string_view bytes, std::size_t high) {
  const std::size_t words = bytes.size() / 2;
  std::size_t count = 0;
  for (std::size_t word = 0; word < words; ++word)
    count += bytes[2 * word + high] == '\0' && is_printed(bytes[2 * word + 1 - high]);
  return static_cast<double>(count) / static_cast<double>(std::max<std::size_t>(words, 1));
}

std::string looks_like(std::string_view name, std::string_view remedy) {
  return fmt::format("looks like {}; {}", name, remedy);
}

}  // namespace

std::string describe_non_text(std::string_view bytes) {
  for (const Kind& kind : kKinds) {
    if (bytes.size() > kind.at && bytes.substr(kind.at).starts_with(kind.magic))
      return looks_like(kind.name, kind.remedy);
  }
  const std::size_t nul = bytes.find('\0');
  if (nul == bytes.npos) return "";
  const std::string_view beginning = bytes.substr(0, 1 << 16);
  constexpr double kMost = 0.8;
  if (share_of_characters(beginning, 1) > kMost)
    return looks_like("UTF-16 text without a byte-order mark",
                      "convert it: iconv -f UTF-16LE -t UTF-8");
  if (share_of_characters(beginning, 0) > kMost)
    return looks_like("UTF-16 text without a byte-order mark",
                      "convert it: iconv -f UTF-16BE -t UTF-8");
  return fmt::format("is binary data, not text: byte {} is NUL; {}", nul, kTokens);
}

}  // namespace ripieno::io
