#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

std::string read_file(const FileSystem& files, const std::string& path) {
  const auto file = files.open(path);
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void write_file(FileSystem& files, const std::string& path, const std::string& text) {
  const auto file = files.create(path);
  file->append(std::as_bytes(std::span(text)));
  file->sync();
}

std::string parent_of(const std::string& path) {
  const auto end = path.find_last_not_of('/');
  if (end == std::string::npos) return path.empty() ? "." : "/";
  const auto slash = path.rfind('/', end);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace ripieno::io
