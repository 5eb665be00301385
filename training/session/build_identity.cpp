#include "ripieno/training/session/build_identity.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstddef>
#include <cstring>
#include <string_view>

namespace ripieno {
namespace {

constexpr std::string_view kKernels = "libripieno_kernels", kLevels = "glibc-hwcaps/";

std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

std::string hexadecimal(const char* bytes, std::size_t count) {
  std::string digits;
  for (std::size_t i = 0; i < count; ++i) {
    digits += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return digits;
}

// The GNU build id in a segment of ELF notes; empty if it has none.
std::string build_id_among(const char* notes, std::size_t bytes) {
  for (std::size_t at = 0; at + sizeof(ElfW(Nhdr)) <= bytes;) {
    ElfW(Nhdr) note = {};
    std::memcpy(&note, notes + at, sizeof note);
    const char* name = notes + at + sizeof note;
    const char* content = name + padded(note.n_namesz);
    const bool is_gnu = note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0;
    if (is_gnu && note.n_type == NT_GNU_BUILD_ID) return hexadecimal(content, note.n_descsz);
    at += sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
  }
  return "";
}

std::string build_id_of(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* notes = reinterpret_cast<const char*>(object.dlpi_addr + segment.p_vaddr);
    if (auto id = build_id_among(notes, segment.p_memsz); !id.empty()) return id;
  }
  return "";
}

std::string level_in(std::string_view path) {
  const auto begin = path.find(kLevels);
  if (begin == path.npos) return "x86-64";
  const auto level = path.substr(begin + kLevels.size());
  return std::string(level.substr(0, level.find('/')));
}

// Callback of dl_iterate_phdr(), which visits the program itself first, with an empty name.
int note_object(dl_phdr_info* object, std::size_t, void* found) {
  auto& identity = *static_cast<BuildIdentity*>(found);
  const std::string_view path = object->dlpi_name;
  if (path.empty() && identity.program.empty()) identity.program = build_id_of(*object);
  if (path.find(kKernels) != path.npos) {
    identity.kernels = build_id_of(*object);
    identity.level = level_in(path);
  }
  return 0;
}

}  // namespace

BuildIdentity build_identity() {
  BuildIdentity identity;
  dl_iterate_phdr(note_object, &identity);
  return identity;
}

}  // namespace ripieno
