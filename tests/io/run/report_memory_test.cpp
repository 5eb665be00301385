// The report of a long run takes no more memory than that of a short one. A separate executable,
// because every allocation of the process is counted.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <new>

#include "io/files/temporary_directory.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/metrics_reader.h"
#include "ripieno/io/run/report.h"

namespace {

std::atomic<int64_t> held = 0, most = 0;

void note(int64_t bytes) {
  const int64_t now = held += bytes;
  for (int64_t known = most; known < now && !most.compare_exchange_weak(known, now);) {
  }
}

int64_t size_at(void* memory) { return static_cast<int64_t>(malloc_usable_size(memory)); }

}  // namespace

void* operator new(std::size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  note(size_at(memory));
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory != nullptr) note(-size_at(memory));
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }

namespace ripieno::io {
namespace {

// Maximum number of bytes allocated at the same time during the action, beyond those before it.
int64_t peak_of(const std::function<void()>& action) {
  const int64_t before = held;
  most = before;
  action();
  return most - before;
}

void write_metrics(const std::string& path, int64_t lines) {
  std::ofstream file(path);
  for (int64_t step = 1; step <= lines; ++step)
    file << R"({"step":)" << step << R"(,"loss":)" << 4.0 + 1.0 / static_cast<double>(step)
         << R"(,"tokens_per_s":1234.5,"learning_rate":0.0003,"gradient_norm":1.25,)"
         << R"("seconds":{"data":0.001,"forward":0.25,"backward":0.5,"total":0.8}})" << '\n';
}

TEST(MemoryOfTheReport, DoesNotGrowWithTheLengthOfTheRun) {
  constexpr int64_t kLines = 200'000;
  const TemporaryDirectory directory;
  const RunPaths paths{directory.path()};
  write_metrics(paths.metrics(), kLines);
  std::string remark;
  const int64_t report = peak_of([&] { remark = write_report(local_files(), paths); });
  EXPECT_EQ(remark, "");
  EXPECT_LT(report, 8 << 20);
  RecordProperty("peak_bytes", std::to_string(report));
}

// Checks that the counting works: reading all lines into memory takes more.
TEST(MemoryOfTheReport, IsLessThanThatOfAllLines) {
  constexpr int64_t kLines = 20'000;
  const TemporaryDirectory directory;
  const RunPaths paths{directory.path()};
  write_metrics(paths.metrics(), kLines);
  EXPECT_GT(peak_of([&] { read_metrics(paths.metrics()); }), 100 * kLines);
}

}  // namespace
}  // namespace ripieno::io
