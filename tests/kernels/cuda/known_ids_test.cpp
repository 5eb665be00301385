#include "ripieno/kernels/known_ids.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::UnknownId;

class KnownIds : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, KnownIds, device_runs(), run_name);

constexpr int32_t kExempt = -100;

Both<UnknownId> find(Both<int32_t>& ids, UnknownId before = {}) {
  Both<UnknownId> found{before};
  on_both([&](auto place, auto at) {
    kernels::find_unknown_id(place, at(found), at(ids), ids.size(), 50, kExempt, 7);
  });
  return found;
}

TEST_P(KnownIds, AnInvalidIdIsFoundAtAnyPosition) {
  for (const int64_t size : kSizes) {
    for (const int32_t wrong : {-1, 50, std::numeric_limits<int32_t>::min()}) {
      for (const int64_t where : {int64_t{0}, size / 2, size - 1}) {
        Both<int32_t> ids = some_ids(size, 1, 0, 49);
        ids.host()[where] = wrong;
        ids.update_device();
        Both<UnknownId> found = find(ids);
        expect_same_bits(found);
        EXPECT_EQ(found.host()->id, wrong);
        EXPECT_EQ(found.host()->position, where);
      }
    }
  }
}

TEST_P(KnownIds, OfSeveralInvalidIdsOneIsRecordedConsistently) {
  Both<int32_t> ids = some_ids(1001, 1, 1000, 2000);
  Both<UnknownId> found = find(ids);
  const UnknownId on_device = found.from_device()[0];
  EXPECT_EQ(on_device.input, 7);
  EXPECT_EQ(on_device.bound, 50);
  ASSERT_LT(on_device.position, 1001);
  EXPECT_EQ(on_device.id, ids.host()[on_device.position]);
}

TEST_P(KnownIds, NothingIsRecordedIfAllAreValidOrExempt) {
  Both<int32_t> ids = some_ids(1001, 1, 0, 49);
  ids.host()[33] = kExempt;
  ids.update_device();
  EXPECT_EQ(find(ids).from_device()[0].input, 0);
}

TEST_P(KnownIds, AnEarlierRecordIsKept) {
  Both<int32_t> ids = some_ids(33, 1, 1000, 2000);
  Both<UnknownId> found = find(ids, {.input = 3, .id = 4, .bound = 5, .position = 6});
  expect_same_bits(found);
  EXPECT_EQ(found.host()->id, 4);
}

}  // namespace
}  // namespace ripieno::testing
