#include "ripieno/io/run/event_file.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/crc32c.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;

TEST(Crc32c, HasItsKnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
}

TEST(EventRecord, HasTheMaskedChecksumOfItsLength) {
  const std::string record = event_record(std::string(24, 'x'));
  EXPECT_EQ(record.substr(0, 12), std::string("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22", 12));
  EXPECT_EQ(record.size(), 8u + 4 + 24 + 4);
}

TEST(EventRecord, IsReadUpToTheFirstDamage) {
  const std::string whole = event_record("one") + event_record("two");
  EXPECT_THAT(read_event_records(whole).data, testing::ElementsAre("one", "two"));
  EXPECT_TRUE(read_event_records(whole).ends_whole);
  for (std::size_t size = event_record("one").size() + 1; size < whole.size(); ++size) {
    const auto cut = read_event_records(whole.substr(0, size));
    EXPECT_THAT(cut.data, testing::ElementsAre("one"));
    EXPECT_FALSE(cut.ends_whole);
  }
  std::string damaged = whole;
  damaged[12] ^= 1;
  EXPECT_TRUE(read_event_records(damaged).data.empty());
}

class EventFiles : public testing::Test {
 protected:
  std::string write(double time, int64_t after_step) {
    EventFile file(directory_ / "events");
    file.begin_after(after_step, time);
    const EventFile::Scalar scalars[] = {{"train/loss", 2.5}, {"bad\xff", 1}};
    file.add_scalars(after_step + 1, time, scalars);
    file.flush();
    return file.path();
  }
  TemporaryDirectory directory_;
};

TEST_F(EventFiles, BeginWithTheVersionAndTheStart) {
  const std::string path = write(1000, 5);
  const auto records = read_event_records(read_file(local_files(), path));
  ASSERT_EQ(records.data.size(), 3u);
  EXPECT_THAT(records.data[0], HasSubstr("brain.Event:2"));
  // session_log {status: START} at step 6.
  EXPECT_THAT(records.data[1], HasSubstr(std::string("\x10\x06\x3a\x02\x08\x01")));
  EXPECT_THAT(records.data[2], HasSubstr("train/loss"));
  EXPECT_THAT(records.data[2], HasSubstr("bad\xef\xbf\xbd"));
}

TEST_F(EventFiles, SortAfterEarlierOnesIfTheClockWentBackwards) {
  const std::string first = write(2'000'000'000, 0), second = write(1'000'000'000, 5);
  EXPECT_LT(first, second);
}

TEST_F(EventFiles, EndWithAWholeRecordOnAFullDisk) {
  const TinyDisk disk("64k");
  if (!disk.is_mounted()) GTEST_SKIP() << "requires root";
  EventFile file(disk / "events");
  file.begin_after(0, 1000);
  for (int i = 0; i < 5000; ++i) file.add_text(i, 1000, "text", "twenty-four letters here");
  EXPECT_THROW(file.flush(), StorageError);
  EXPECT_TRUE(read_event_records(read_file(local_files(), file.path())).ends_whole);
}

TEST_F(EventFiles, KeepWhatWaitsWithinALimit) {
  EventFile file(directory_ / "no");
  const std::string text(EventFile::kMostWaiting / 4, 'x');
  for (int i = 0; i < 5; ++i) file.add_text(i, 1000, "text", text);
  EXPECT_EQ(file.dropped(), 2);
}

}  // namespace
}  // namespace ripieno::io
