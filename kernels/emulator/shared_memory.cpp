#include "ripieno/kernels/emulator/shared_memory.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace ripieno::simt {
namespace {

constexpr int kNanByte = 0xff;
constexpr std::size_t kLeastAlignment = 16;
constexpr std::size_t kDynamicAlignment = 128;

}  // namespace

SharedMemory::Memory SharedMemory::allocate(std::size_t bytes, std::size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0) throw std::bad_alloc();
  return Memory(memory);
}

void SharedMemory::set_dynamic_bytes(std::size_t bytes) {
  if (bytes == dynamic_bytes_) return;
  for (Memory& memory : dynamic_) memory = allocate(bytes, kDynamicAlignment);
  dynamic_bytes_ = bytes;
}

void SharedMemory::begin_block(unsigned parity) {
  parity_ = parity;
  for (Named& named : named_[parity_]) named.in_use = false;
  if (dynamic_bytes_ > 0) std::memset(dynamic(), kNanByte, dynamic_bytes_);
}

void* SharedMemory::get(const void* name, std::size_t bytes, std::size_t alignment) {
  auto& all = named_[parity_];
  auto found = std::find_if(all.begin(), all.end(), [&](auto& n) { return n.name == name; });
  if (found == all.end()) {
    all.push_back({name, bytes, allocate(bytes, std::max(alignment, kLeastAlignment)), false});
    found = all.end() - 1;
  }
  if (!found->in_use) std::memset(found->memory.get(), kNanByte, found->bytes);
  found->in_use = true;
  return found->memory.get();
}

}  // namespace ripieno::simt
