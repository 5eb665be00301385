#include "ripieno/io/files/replace_file.h"

#include "ripieno/io/files/write_aside.h"

namespace ripieno::io {

void replace_file(FileSystem& files, const std::string& path,
                  const std::vector<std::span<const std::byte>>& parts) {
  write_aside(files, path, [&](const std::string& aside) {
    const auto file = files.create(aside);
    for (const auto part : parts) file->append(part);
    file->sync();
  });
}

void replace_file(FileSystem& files, const std::string& path, std::string_view text) {
  replace_file(files, path, {std::as_bytes(std::span(text))});
}

}  // namespace ripieno::io
