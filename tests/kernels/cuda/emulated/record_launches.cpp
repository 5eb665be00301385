// Records each different launch of a kernel in the file RIPIENO_LAUNCHES when the tests end, for
// launch_limits_test.py. The linker redirects record_launch() here (--wrap).
#include <dlfcn.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <set>
#include <tuple>

#include "ripieno/kernels/cuda/runtime/launch.h"

namespace ripieno::kernels::cuda {
namespace {

// Writes lines of "offset of the kernel in this program, threads per block, dynamic shared bytes".
class Launches {
 public:
  ~Launches() {
    const char* file = std::getenv("RIPIENO_LAUNCHES");
    if (!file || getpid() != process_) return;  // a child of a death test
    std::ofstream out(file);
    for (const auto& [kernel, threads, bytes] : launches_) {
      out << kernel << ' ' << threads << ' ' << bytes << '\n';
    }
  }
  void add(const void* kernel, const LaunchShape& shape) {
    Dl_info program{};
    dladdr(kernel, &program);
    const auto offset =
        reinterpret_cast<uintptr_t>(kernel) - reinterpret_cast<uintptr_t>(program.dli_fbase);
    const std::lock_guard lock(mutex_);
    launches_.emplace(offset, shape.block.x * shape.block.y * shape.block.z, shape.shared_bytes);
  }

 private:
  const pid_t process_ = getpid();
  std::mutex mutex_;
  std::set<std::tuple<uintptr_t, unsigned, std::size_t>> launches_;
};

}  // namespace

extern "C" {
void __real__ZN7ripieno7kernels4cuda13record_launchEPKvRKNS1_11LaunchShapeE(  // NOLINT
    const void* kernel, const LaunchShape& shape);

void __wrap__ZN7ripieno7kernels4cuda13record_launchEPKvRKNS1_11LaunchShapeE(  // NOLINT
    const void* kernel, const LaunchShape& shape) {
  static Launches launches;
  launches.add(kernel, shape);
  __real__ZN7ripieno7kernels4cuda13record_launchEPKvRKNS1_11LaunchShapeE(kernel, shape);
}
}

}  // namespace ripieno::kernels::cuda
