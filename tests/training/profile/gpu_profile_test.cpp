#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/work.h"
#include "ripieno/training/profile/recording.h"
#include "ripieno/training/profile/table.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;

class GpuProfile : public ripieno::testing::GpuTest {};

TEST_F(GpuProfile, MeasuresEachOperationOnItsStreamToo) {
  const Device device = Device::cuda();
  const Tensor a = Tensor::full({64, 64}, 1, DType::float32, device);
  auto recording = profiles::Recording::start(device);
  recording->begin_step(1);
  matmul(a, a);
  const Stream other(device);
  other.wait(compute_stream(device));
  {
    const OnStream on(other);
    a + a;
  }
  other.synchronize();
  const auto recorded = recording->stop();
  ASSERT_EQ(recorded.tracks.size(), 3u);
  EXPECT_EQ(recorded.tracks[0].intervals.size(), 2u);  // enqueued by this thread
  EXPECT_EQ(recorded.untimed, 0);
  int on_compute_stream = 0;
  for (std::size_t i = 1; i < 3; ++i) {
    const auto& track = recorded.tracks[i];
    EXPECT_EQ(track.kind, profiles::Track::Kind::stream);
    ASSERT_EQ(track.intervals.size(), 1u) << track.name;
    const auto& interval = track.intervals[0];
    const bool is_compute = track.name == "cuda:0, compute stream";
    on_compute_stream += is_compute ? 1 : 0;
    EXPECT_EQ(interval.name, is_compute ? "matmul" : "add");
    EXPECT_EQ(interval.flops, is_compute ? 2 * 64 * 64 * 64 : 64 * 64);
    EXPECT_GE(interval.begin, 0);
    EXPECT_GE(interval.duration, 0);
    EXPECT_LE(interval.begin, recorded.duration);
  }
  EXPECT_EQ(on_compute_stream, 1);
  EXPECT_THAT(profiles::table_of(recorded, 0, 1), HasSubstr("cuda:0, compute stream"));
}

TEST_F(GpuProfile, OfOperationsWithinAnotherMeasuresTheOuterOneOnly) {
  const Device device = Device::cuda();
  const Tensor a = Tensor::full({4, 4}, 1, DType::float32, device);
  auto recording = profiles::Recording::start(device);
  {
    const ProfiledOperation outer({"outer"}, device);
    const trace::Scope phase({.name = "phase"});
    a + a;
  }
  const auto recorded = recording->stop();
  ASSERT_EQ(recorded.tracks.size(), 2u);
  ASSERT_EQ(recorded.tracks[1].intervals.size(), 1u);
  EXPECT_EQ(recorded.tracks[1].intervals[0].name, "outer");
}

}  // namespace
}  // namespace ripieno
