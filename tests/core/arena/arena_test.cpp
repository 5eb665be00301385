#include "ripieno/core/arena/arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::shared_ptr<ArenaLayout> two_tensors() {
  auto layout = std::make_shared<ArenaLayout>();
  layout->add("a", {3}, "first");
  layout->add("b", {2, 33}, "second");
  return layout;
}

TEST(ArenaLayout, AlignsTensorsAndKeepsUnitsContiguous) {
  ArenaLayout layout;
  layout.add("a", {3}, "one");
  layout.add("b", {65}, "one");
  layout.add("c", {2}, "two");
  EXPECT_EQ(layout.entries()[1].offset, 64);
  EXPECT_EQ(layout.entries()[2].offset, 192);
  EXPECT_EQ(layout.elements(), 256);
  ASSERT_EQ(layout.units().size(), 2u);
  EXPECT_EQ(layout.units()[0].end, layout.units()[1].begin);
  EXPECT_EQ(layout.find("c"), 2);
  EXPECT_EQ(layout.find("d"), -1);
  EXPECT_THROW(layout.add("a", {1}, "two"), Error);
}

TEST(ArenaLayout, RejectsMoreElementsThan64BitsCanCount) {
  ArenaLayout layout;
  layout.add("half", {int64_t{1} << 58}, "");
  EXPECT_THROW(layout.add("more", {(int64_t{1} << 58) + 1}, ""), ConfigurationError);
  layout.add("other half", {int64_t{1} << 58}, "");
}

TEST(Arena, AllocatesAtFirstUse) {
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  EXPECT_FALSE(arena.has_memory());
  EXPECT_EQ(arena.tensors()[1].shape(), (Shape{2, 33}));
  EXPECT_FALSE(arena.has_memory());
  EXPECT_THAT(arena.tensors()[1].to_vector<float>(), Each(0.0f));
  EXPECT_TRUE(arena.has_memory());
}

TEST(Arena, TensorsThatNeverHadMemoryThrowAfterIt) {
  Tensor unused, used;
  {
    Arena arena(two_tensors(), DType::float32, Device::cpu());
    unused = arena.tensors()[0];
  }
  {
    Arena arena(two_tensors(), DType::float32, Device::cpu());
    used = arena.tensors()[0];
    arena.materialize();
  }
  EXPECT_THAT(used.to_vector<float>(), Each(0.0f));
  EXPECT_THAT([&] { (void)unused.to_vector<float>(); },
              ThrowsMessage<Error>(HasSubstr("was destroyed before its memory was allocated")));
}

TEST(Arena, TensorsAreViewsOfItsRanges) {
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  arena.flat().fill(1.0);
  Tensor(arena.tensors()[0]).fill(2.0);
  EXPECT_THAT(arena.range(0, 4).to_vector<float>(), ElementsAre(2, 2, 2, 1));
  EXPECT_THROW(arena.range(0, 1 << 20), Error);
}

// Counts the bytes that are allocated from it.
struct Counting final : MemoryResource {
  std::size_t bytes = 0;
  void* allocate(std::size_t size) override {
    bytes += size;
    return system_memory(Device::cpu()).allocate(size);
  }
  void deallocate(void* memory, std::size_t size) noexcept override {
    bytes -= size;
    system_memory(Device::cpu()).deallocate(memory, size);
  }
};

TEST(Arena, AdoptsOnlyTensorsOfItsLayout) {
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  Arena twin(two_tensors(), DType::float32, Device::cpu());
  const Tensor a = arena.tensors()[0], b = arena.tensors()[1];
  const auto message = [](const char* text) { return ThrowsMessage<Error>(HasSubstr(text)); };
  EXPECT_THAT([&] { twin.adopt({a}); }, message("got 1 tensors; the layout has 2"));
  EXPECT_THAT(
      [&] {
        twin.adopt({a, a});
      },
      message("tensor 1 is (3) float32 on cpu; 'b' of the layout requires a dense tensor "
              "(2, 33)"));
  EXPECT_THAT([&] { twin.adopt({a, {}}); }, message("tensor 1 is undefined"));
  EXPECT_THAT([&] { twin.adopt({a, Tensor({33, 2}).transpose(0, 1)}); }, message("dense"));
  twin.tensors()[0].to_vector<float>();  // it has kept its own
  twin.adopt({a, b});
  EXPECT_EQ(twin.flat().data<float>(), a.data<float>());
}

TEST(Arena, MovesToAnotherResourceAndBackWithItsContents) {
  Counting resource;
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  const Tensor handle = arena.tensors()[0];
  Tensor(handle).fill(1.5);
  arena.place_in(&resource);
  EXPECT_EQ(resource.bytes, static_cast<std::size_t>(arena.bytes()));
  EXPECT_THAT(handle.to_vector<float>(), Each(1.5f));
  EXPECT_EQ(handle.data<float>(), arena.flat().data<float>());
  arena.to(Device::cpu(), DType::float64);
  EXPECT_EQ(resource.bytes, static_cast<std::size_t>(arena.bytes()));
  arena.place_in(nullptr);
  EXPECT_EQ(resource.bytes, 0u);
  EXPECT_THAT(handle.to_vector<float>(), Each(1.5f));
}

TEST(Arena, AllocatesFromTheResourceThatItIsPlacedIn) {
  Counting resource;
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  arena.place_in(&resource);
  EXPECT_EQ(resource.bytes, 0u);
  arena.materialize();
  EXPECT_EQ(resource.bytes, static_cast<std::size_t>(arena.bytes()));
  arena.release();
  EXPECT_EQ(resource.bytes, 0u);
}

TEST(Arena, RetriesAFailedInitializationAtTheNextUse) {
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  int calls = 0;
  arena.on_first_use([&] {
    if (++calls == 1) fail("no numbers yet");
    Tensor(arena.tensors()[0]).fill(2.0);
  });
  EXPECT_THROW(arena.materialize(), Error);
  EXPECT_FALSE(arena.has_memory());
  EXPECT_THAT(arena.tensors()[0].to_vector<float>(), Each(2.0f));
}

TEST(Arena, ConvertsAndItsHandlesFollow) {
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  const Tensor handle = arena.tensors()[0];
  Tensor(handle).fill(1.5);
  arena.to(Device::cpu(), DType::bfloat16);
  EXPECT_EQ(handle.dtype(), DType::bfloat16);
  EXPECT_THAT(handle.to_vector<float>(), Each(1.5f));
}

TEST(Arena, IsUnchangedByAMoveThatFails) {
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  arena.flat().fill(2.5);
  EXPECT_THROW(arena.to(Device::cuda(63), DType::float32), Error);
  EXPECT_THROW(arena.to(Device::cpu(), static_cast<DType>(200)), Error);
  EXPECT_EQ(arena.device(), Device::cpu());
  EXPECT_EQ(arena.dtype(), DType::float32);
  EXPECT_EQ(arena.tensors()[0].to_vector<float>()[0], 2.5f);
}

TEST(Arena, ChangesItsTypeWithoutAllocating) {
  Arena arena(two_tensors(), DType::float32, Device::cpu());
  arena.to(Device::cpu(), DType::float64);
  EXPECT_FALSE(arena.has_memory());
  EXPECT_EQ(arena.tensors()[0].dtype(), DType::float64);
}

}  // namespace
}  // namespace ripieno
