#include "ripieno/kernels/emulator/device_memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#include "ripieno/kernels/emulator/sanitizers.h"

namespace ripieno::simt {
namespace {

constexpr std::size_t kAlignment = 256;  // like cudaMalloc
constexpr int kNanByte = 0xff;

int open_accesses = 0;

std::map<char*, std::size_t>& allocations() {
  static auto& sizes = *new std::map<char*, std::size_t>;
  return sizes;
}

// Size of the allocation that contains `memory`, or 0.
std::size_t size_around(const void* memory) {
  auto* address = static_cast<char*>(const_cast<void*>(memory));
  auto after = allocations().upper_bound(address);
  if (after == allocations().begin()) return 0;
  const auto& [begin, bytes] = *--after;
  return address < begin + bytes ? bytes : 0;
}

}  // namespace

void* allocate_device_memory(std::size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0) throw std::bad_alloc();
  std::memset(memory, kNanByte, bytes);
  allocations()[static_cast<char*>(memory)] = bytes;
  if (open_accesses == 0) poison(memory, bytes);
  return memory;
}

void free_device_memory(void* memory) {
  const auto found = allocations().find(static_cast<char*>(memory));
  unpoison(memory, found->second);
  allocations().erase(found);
  std::free(memory);
}

void copy_device_memory(void* to, const void* from, std::size_t bytes) {
  const DeviceAccess access;
  std::memcpy(to, from, bytes);
}

bool is_device_memory(const void* memory) { return size_around(memory) > 0; }

std::size_t device_memory_size(const void* memory) { return size_around(memory); }

DeviceAccess::DeviceAccess() {
  if (open_accesses++ > 0) return;
  for (const auto& [memory, bytes] : allocations()) unpoison(memory, bytes);
}

DeviceAccess::~DeviceAccess() {
  if (--open_accesses > 0) return;
  for (const auto& [memory, bytes] : allocations()) poison(memory, bytes);
}

}  // namespace ripieno::simt
