// The shared memory of one block at a time. Private to simt.
//
// Two blocks in a row get different memory, so that ThreadSanitizer sees a race between them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

namespace ripieno::simt {

class SharedMemory {
 public:
  // Before the blocks of a launch.
  void set_dynamic_bytes(std::size_t bytes);
  // Forgets the block's memory before the last; fills what is dynamic with NaN.
  void begin_block(unsigned parity);

  // The block's memory of that name, filled with NaN when it is first asked for.
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
