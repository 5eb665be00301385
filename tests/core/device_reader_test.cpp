#include "ripieno/core/device_reader.h"

#include <gtest/gtest.h>

#include <cstring>

#include "ripieno/core/device/copy.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

class DeviceReaderTest : public testing::GpuTest {
 protected:
  // Bytes on the GPU, of which each differs from its neighbors, and the same on the host.
  struct Sample {
    explicit Sample(std::size_t bytes)
        : host(bytes), device(Tensor({static_cast<int64_t>(bytes)}, DType::uint8, Device::cuda())) {
      for (std::size_t i = 0; i < bytes; ++i) host[i] = static_cast<uint8_t>(i * 7 + i / 251);
      copy_bytes(device.raw_data(), device.device(), host.data(), Device::cpu(), bytes);
    }
    const uint8_t* at(std::size_t i) const {
      return static_cast<const uint8_t*>(device.raw_data()) + i;
    }

    std::vector<uint8_t> host;
    Tensor device;
  };
};

TEST_F(DeviceReaderTest, CopiesMoreThanItsBuffersHold) {
  const std::size_t bytes = 3 * DeviceReader::kBufferBytes + 1001;
  const Sample sample(bytes);
  DeviceReader reader(Device::cuda());
  reader.stream().wait(compute_stream(Device::cuda()));
  std::vector<uint8_t> read(bytes);
  reader.read(read.data(), sample.at(0), bytes);
  reader.finish();
  EXPECT_EQ(read, sample.host);
}

TEST_F(DeviceReaderTest, CopiesManySmallRangesEachToItsPlace) {
  const Sample sample(100'000);
  DeviceReader reader(Device::cuda());
  reader.stream().wait(compute_stream(Device::cuda()));
  for (const std::size_t size : {1, 31, 1001, 100'000}) {
    std::vector<uint8_t> read(100'000, 0xff), expected(100'000, 0xff);
    for (std::size_t at = 0; at + size <= read.size(); at += 2 * size) {
      reader.read(&read[at], sample.at(at), size);
      std::memcpy(&expected[at], &sample.host[at], size);
    }
    reader.finish();
    EXPECT_EQ(read, expected) << size;
  }
}

}  // namespace
}  // namespace ripieno
