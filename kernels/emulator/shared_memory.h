// The shared memory of the block that is running. Private to simt.
//
// Consecutive blocks get different memory, so that ThreadSanitizer detects races between them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

namespace ripieno::simt {

class SharedMemory {
 public:
  // Called before the blocks of a launch.
  void set_dynamic_bytes(std::size_t bytes);
  // Reuses the memory of the block before the last; fills dynamic shared memory with NaN.
  void begin_block(unsigned parity);

  // The block's memory with that name, filled with NaN at the block's first call.
  void* get(const void* name, std::size_t bytes, std::size_t alignment);
  void* dynamic() { return dynamic_[parity_].get(); }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  using Memory = std::unique_ptr<void, Free>;
  static Memory allocate(std::size_t bytes, std::size_t alignment);

  struct Named {
    const void* name;
    std::size_t bytes;
    Memory memory;
    bool in_use;
  };

  unsigned parity_ = 0;
  std::size_t dynamic_bytes_ = 0;
  Memory dynamic_[2];
  std::vector<Named> named_[2];
};

}  // namespace ripieno::simt
