#include "ripieno/io/files/direct_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "ripieno/io/files/posix_error.h"

namespace ripieno::io {

void DirectOutput::bypass_page_cache() {
  const int flags = ::fcntl(file_, F_GETFL);
  is_direct_ = flags >= 0 && ::fcntl(file_, F_SETFL, flags | O_DIRECT) == 0;
}

void DirectOutput::use_page_cache() {
  const int flags = ::fcntl(file_, F_GETFL);
  require(flags >= 0 && ::fcntl(file_, F_SETFL, flags & ~O_DIRECT) == 0, "write", path_);
  is_direct_ = false;
}

void DirectOutput::write(std::span<const std::byte> bytes, int64_t needed_bytes) {
  while (!bytes.empty()) {
    if (is_direct_ && bytes.size() < kAlignment) use_page_cache();
    const auto count = is_direct_ ? bytes.size() / kAlignment * kAlignment : bytes.size();
    const auto written = ::write(file_, bytes.data(), count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL && is_direct_) {
      // The file system accepts O_DIRECT but rejects the write, or the previous write ended inside
      // a block.
      use_page_cache();
      continue;
    }
    if (written <= 0) refuse("write", path_, written < 0 ? errno : EIO, needed_bytes);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace ripieno::io
