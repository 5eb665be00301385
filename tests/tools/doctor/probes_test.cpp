#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "io/files/hanging_file_system.h"
#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/host_name.h"
#include "ripieno/io/data/data_format.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/doctor/data.h"
#include "ripieno/tools/doctor/program_output.h"
#include "ripieno/tools/doctor/storage.h"

namespace ripieno::tools::doctor {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

// A token file of 100,000 tokens in which `change` has changed the bytes.
template <typename Change>
DataFacts probe_changed_tokens(Change change) {
  const io::TemporaryDirectory directory;
  const std::string path = directory / "tokens";
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>('a' + i % 7);
  io::TokenData::of(text, io::Tokenizer::characters_of(text)).save(io::local_files(), path);
  std::string bytes = io::read_file(io::local_files(), path);
  change(bytes);
  io::write_file(io::local_files(), path, bytes);
  TokenDataSettings data;
  data.paths = {path};
  return probe_data(data, 60);
}

}  // namespace

TEST(DoctorData, IsReadCompletely) {
  const auto facts = probe_changed_tokens([](std::string&) {});
  EXPECT_EQ(facts.state, DataFacts::State::readable) << facts.failure;
  EXPECT_EQ(facts.samples, 100'000);
  EXPECT_EQ(facts.vocabulary, 7);
  EXPECT_EQ(facts.checked_ratio, 1);
}

TEST(DoctorData, IsDamagedIfOneBitIsWrong) {
  for (const double position : {0.001, 0.5, 0.999}) {
    const auto facts = probe_changed_tokens([&](std::string& bytes) {
      bytes[static_cast<std::size_t>(position * static_cast<double>(bytes.size()))] ^= 1;
    });
    EXPECT_EQ(facts.state, DataFacts::State::damaged) << position;
    EXPECT_THAT(facts.failure, HasSubstr("tokens"));
  }
}

// What is found about a file with this content.
DataFacts probe_file(const std::string& content, int64_t context, const std::string& format = "") {
  const io::TemporaryDirectory directory;
  io::write_file(io::local_files(), directory / "file", content);
  TokenDataSettings data;
  data.paths = {directory / "file"};
  data.loader.context = context;
  data.loader.batch_size = 1;
  if (format == "nanogpt") data.loader.data.format = io::DataFormat::nanogpt;
  return probe_data(data, 60);
}

TEST(DoctorData, HasToBeEnoughForTheContext) {
  using State = DataFacts::State;
  EXPECT_EQ(probe_file(std::string(500, 'x'), 32).state, State::readable);
  const auto little = probe_file(std::string(100, 'x'), 128);
  EXPECT_EQ(little.state, State::unsuitable);
  EXPECT_THAT(little.failure, HasSubstr("a context of 128 requires at least 129"));
  const auto empty = probe_file("", 32);
  EXPECT_NE(empty.state, State::readable);
  EXPECT_THAT(empty.failure, Not(HasSubstr("vocab")));
}

TEST(DoctorData, IsNotDamagedIfASettingIsMissing) {
  const auto facts = probe_file(std::string("\1\0\2\0\3\0\4\0", 8), 1, "nanogpt");
  EXPECT_EQ(facts.state, DataFacts::State::unsuitable);
  EXPECT_THAT(facts.failure, HasSubstr("data.vocabulary_size"));
}

TEST(DoctorData, IsNamedOnceInItsMessage) {
  TokenDataSettings data;
  data.paths = {"/no/such/file"};
  const auto facts = probe_data(data, 60);
  EXPECT_EQ(facts.state, DataFacts::State::missing);
  EXPECT_THAT(facts.failure, StartsWith("file /no/such/file does not exist"));
}

TEST(DoctorStorage, RemovesTheFileOfOneThatWasKilled) {
  const io::TemporaryDirectory directory;
  const pid_t ended = ::fork();
  if (ended == 0) ::_exit(0);
  ::waitpid(ended, nullptr, 0);
  const auto name = [&](const std::string& host, pid_t process, const char* ending) {
    return fmt::format(".ripieno_doctor_{}_{}{}", host, process, ending);
  };
  const std::string here = name(host_name(), ::getppid(), ""), other = name("other", ended, "");
  const std::string unknown = name(host_name(), ended, ".mine");
  for (const auto& file :
       {name(host_name(), ended, ""), name(host_name(), ended, ".partial"), here, other, unknown})
    io::write_file(io::local_files(), directory / file, "");
  EXPECT_EQ(probe_storage(io::local_files(), directory.path(), 60).failure, "");
  EXPECT_THAT(io::local_files().names_in(directory.path()),
              UnorderedElementsAre(here, other, unknown));
}

TEST(DoctorStorage, IsTestedWithoutLeavingAnything) {
  const io::TemporaryDirectory directory;
  const auto facts = probe_storage(io::local_files(), directory / "runs/x", 60);
  EXPECT_EQ(facts.failure, "");
  EXPECT_EQ(facts.directory, directory.path());
  EXPECT_GT(facts.write_bytes_per_second, 0);
  EXPECT_GT(facts.read_bytes_per_second, 0);
  EXPECT_TRUE(io::local_files().names_in(directory.path()).empty());
}

TEST(DoctorStorage, MayBeFull) {
  const io::TinyDisk disk("200k");
  if (!disk.is_mounted()) GTEST_SKIP() << "requires root";
  const auto facts = probe_storage(io::local_files(), disk / "run", 60);
  EXPECT_THAT(facts.failure, HasSubstr("No space left"));
  EXPECT_EQ(check_storage(facts, "a", 0)[0].code, "D-STO-03");
}

TEST(DoctorStorage, MayNotRespond) {
  auto& files = io::HangingFileSystem::immortal();
  files.hanging = ".partial";
  const auto facts = probe_storage(files, ".", 0.2);
  EXPECT_FALSE(facts.has_answered);
  EXPECT_EQ(check_storage(facts, "a", 0)[0].code, "D-STO-04");
  files.released.count_down();
}

TEST(DoctorProgramOutput, HasStatusAndText) {
  const auto output = program_output({"sh", "-c", "echo hello; exit 3"}, 60);
  ASSERT_TRUE(output);
  EXPECT_EQ(output->text, "hello\n");
  EXPECT_EQ(output->status, 3);
  EXPECT_EQ(program_output({"no-such-program"}, 60)->status, 127);
}

TEST(DoctorProgramOutput, IsNothingIfTheProgramDoesNotEnd) {
  EXPECT_FALSE(program_output({"sleep", "600"}, 0.1));
}

}  // namespace ripieno::tools::doctor
