#include "ripieno/tools/runs/file_build_id.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <span>
#include <string_view>

#include "ripieno/core/error.h"

namespace ripieno::tools::runs {
namespace {

constexpr uint64_t kMostNotes = uint64_t{1} << 20;

template <typename T>
T read_at(const io::ReadableFile& file, uint64_t offset) {
  T value;
  file.read(static_cast<int64_t>(offset), std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

std::string id_among(std::string_view notes) {
  std::size_t at = 0;
  while (notes.size() - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data() + at, sizeof note);
    const std::size_t name = at + sizeof note, content = name + padded(note.n_namesz);
    const std::size_t next = content + padded(note.n_descsz);
    if (next > notes.size()) break;
    const bool is_gnu = notes.substr(name, note.n_namesz) == std::string_view("GNU\0", 4);
    if (is_gnu && note.n_type == NT_GNU_BUILD_ID) {
      std::string digits;
      for (const char byte : notes.substr(content, note.n_descsz))
        digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      return digits;
    }
    at = next;
  }
  return "";
}

}  // namespace

std::string file_build_id(const io::FileSystem& files, const std::string& path) {
  const auto file = files.open(path);
  try {
    const auto header = read_at<Elf64_Ehdr>(*file, 0);
    const bool is_elf = std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                        header.e_ident[EI_CLASS] == ELFCLASS64 &&
                        header.e_phentsize == sizeof(Elf64_Phdr);
    for (std::size_t i = 0; is_elf && i < header.e_phnum; ++i) {
      const auto segment = read_at<Elf64_Phdr>(*file, header.e_phoff + i * sizeof(Elf64_Phdr));
      if (segment.p_type != PT_NOTE || segment.p_filesz > kMostNotes) continue;
      std::string notes(segment.p_filesz, '\0');
      file->read(static_cast<int64_t>(segment.p_offset), std::as_writable_bytes(std::span(notes)));
      if (auto id = id_among(notes); !id.empty()) return id;
    }
  } catch (const DataError&) {
    // The file is shorter than its headers say.
  }
  return "";
}

}  // namespace ripieno::tools::runs
