#include "support/simt/device_memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#include "support/simt/sanitizers.h"

namespace ripieno::simt {
namespace {

constexpr std::size_t kAlignment = 256;  // as cudaMalloc's
constexpr int kNanByte = 0xff;

std::map<void*, std::size_t>& allocations() {
  static std::map<void*, std::size_t> sizes;
  return sizes;
}

}  // namespace

void* allocate_device_memory(std::size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0) throw std::bad_alloc();
  std::memset(memory, kNanByte, bytes);
  allocations()[memory] = bytes;
  poison(memory, bytes);
  return memory;
}

void free_device_memory(void* memory) {
  unpoison(memory, allocations().at(memory));
  allocations().erase(memory);
  std::free(memory);
}

void copy_device_memory(void* to, const void* from, std::size_t bytes) {
  const DeviceAccess access;
  std::memcpy(to, from, bytes);
}

DeviceAccess::DeviceAccess() {
  for (const auto& [memory, bytes] : allocations()) unpoison(memory, bytes);
}

DeviceAccess::~DeviceAccess() {
  for (const auto& [memory, bytes] : allocations()) poison(memory, bytes);
}

}  // namespace ripieno::simt
