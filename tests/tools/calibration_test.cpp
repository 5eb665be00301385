#include "ripieno/tools/calibration.h"

#include <gtest/gtest.h>

#include <string>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

Calibration measured() {
  return {.host = "a",
          .cores = 2,
          .gflops = {.f32 = 180.5, .bf16 = 150.25},
          .gflops_of_one_core = {.f32 = 97, .bf16 = 80},
          .memory_gb_per_second = 21.5,
          .links = {{.ranks = 2, .latency_seconds = 4e-5, .bytes_per_second = 1.25e8}},
          .storage = {.write_bytes_per_second = 5e8, .read_bytes_per_second = 2e9}};
}

std::string message_for(const std::string& text) {
  try {
    parse_calibration(text);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

// The text of measured() with `from` replaced.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = calibration_text(measured());
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST(Calibration, ReadsWhatItWrites) {
  const std::string text = calibration_text(measured());
  const auto read = parse_calibration(text);
  EXPECT_EQ(calibration_text(read), text);
  EXPECT_EQ(read.host, "a");
  EXPECT_EQ(read.gflops.bf16, 150.25);
  ASSERT_EQ(read.links.size(), 1u);
  EXPECT_EQ(read.links[0].bytes_per_second, 1.25e8);
  EXPECT_EQ(read.storage.read_bytes_per_second, 2e9);
}

TEST(Calibration, RequiresItsMembersAndPlausibleNumbers) {
  EXPECT_EQ(message_for(changed("\"cores\": 2", "\"cores\": 0")), "cores is 0; must be at least 1");
  EXPECT_EQ(message_for(changed("21.5", "-1")),
            "memory_gb_per_second is -1; must be a number of at least 0");
  EXPECT_NE(message_for(changed("\"ranks\": 2", "\"ranks\": 1")).find("links[0]: ranks is 1"),
            std::string::npos);
  EXPECT_NE(message_for(changed("\"version\": 1", "\"version\": 2")).find("version is 2"),
            std::string::npos);
  EXPECT_NE(message_for("{"), "no error");
  EXPECT_NE(message_for("[]"), "no error");
}

TEST(Calibration, NamesTheFileThatItCannotRead) {
  const io::TemporaryDirectory directory;
  const std::string path = directory / "calibration.json";
  EXPECT_THROW(read_calibration(io::local_files(), path), ConfigurationError);
  io::write_file(io::local_files(), path, "{\"version\": 1}");
  try {
    read_calibration(io::local_files(), path);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
  }
}

}  // namespace ripieno::tools
