#include "ripieno/training/session/bus_error.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno {
namespace {

TEST(BusError, NamesTheTruncatedFile) {
  const io::TemporaryDirectory directory;
  const std::string path = directory / "cut.tok";
  const std::vector<int32_t> tokens(200'000);
  io::TokenData::of(tokens, io::Tokenizer::external("zeros", 4)).save(io::local_files(), path);
  EXPECT_EXIT(
      {
        report_bus_errors();
        const auto data = io::TokenData::open(path);
        std::filesystem::resize_file(path, 1'000);
        std::vector<int32_t> last(1);
        data.copy(199'999, last);
      },
      testing::ExitedWithCode(74), "cut.tok: the file was truncated");
}

TEST(BusError, OutsideAFileEndsTheProcessWithAMessage) {
  EXPECT_EXIT(
      {
        report_bus_errors();
        std::raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), "/dev/shm");
}

}  // namespace
}  // namespace ripieno
