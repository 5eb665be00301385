#include "ripieno/io/checkpoint/manifest.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <limits>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/sealed_json.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// One tensor of 6 elements in two pieces.
Manifest sample() {
  Manifest manifest{3, 2, {{"position", 7}}, {}, {{"a.h5", 100, 1}, {"b.h5", 50, 2}}};
  manifest.tensors.push_back({"weight", StateKind::parameter, DType::float32, {2, 3}, {}});
  manifest.tensors[0].pieces.push_back({"a.h5", "/parameters/weight", 0, 4, 10, 16, 3});
  manifest.tensors[0].pieces.push_back({"b.h5", "/parameters/weight", 4, 2, 42, 8, 4});
  return manifest;
}

void expect_rejected(const Manifest& manifest, const std::string& why) {
  EXPECT_THAT([&] { manifest_from_text(to_text(manifest)); },
              ThrowsMessage<DataError>(HasSubstr(why)));
}

TEST(Manifest, ReadsBackAsItWasWritten) {
  const Manifest read = manifest_from_text(to_text(sample()));
  EXPECT_EQ(to_text(read), to_text(sample()));
  EXPECT_EQ(read.step, 3);
  EXPECT_EQ(read.training_state.at("position"), 7);
  EXPECT_EQ(read.tensors[0].pieces[1].file_offset, 42);
}

// The text of sample() with the line of member "commit" replaced by `line_now`, and a valid
// checksum.
std::string committed(const std::string& line_now) {
  const std::string text = to_text(sample()), line = "\"commit\": \"rename\",\n";
  const auto begin = std::string_view("{\n").size(), end = text.rfind(",\n\"xxh3\"");
  std::string members = text.substr(begin, end - begin);
  members.replace(members.find(line), line.size(), line_now);
  return seal(members);
}

TEST(Manifest, WithoutACommitModeIsOfAnEarlierVersionThatRenamed) {
  EXPECT_EQ(manifest_from_text(committed("")).commit, CommitMode::rename);
  EXPECT_EQ(manifest_from_text(committed("\"commit\": \"manifest\",\n")).commit,
            CommitMode::manifest);
  EXPECT_THAT(
      [&] { manifest_from_text(committed("\"commit\": \"hope\",\n")); },
      ThrowsMessage<DataError>(HasSubstr("commit is \"hope\", must be rename or manifest")));
  EXPECT_THROW(manifest_from_text(committed("\"commit\": 1,\n")), DataError);
}

TEST(Manifest, IsRejectedIfAnElementIsMissing) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces.pop_back();
  expect_rejected(manifest, "parameter weight: element 4 is missing");
  manifest.tensors[0].pieces.clear();
  expect_rejected(manifest, "element 0 is missing");
}

TEST(Manifest, IsRejectedIfAnElementIsInTwoPieces) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].begin = 3;
  expect_rejected(manifest, "element 3 is in two pieces");
}

TEST(Manifest, IsRejectedIfAPieceHasTheWrongSize) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].bytes = 4;
  expect_rejected(manifest, "wrong size");
  manifest = sample();
  manifest.tensors[0].pieces[1].count = 3;
  manifest.tensors[0].pieces[1].bytes = 12;
  manifest.tensors[0].pieces[1].file_offset = 0;
  expect_rejected(manifest, "wrong size");
}

TEST(Manifest, IsRejectedIfAPieceIsOutsideItsFile) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].file_offset = 43;
  expect_rejected(manifest, "outside the bytes of b.h5");
  manifest.tensors[0].pieces[1].file_offset = INT64_MAX;
  expect_rejected(manifest, "outside the bytes of b.h5");
}

TEST(Manifest, IsRejectedIfPiecesOverlap) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].file = "a.h5";
  manifest.tensors[0].pieces[1].file_offset = 25;
  expect_rejected(manifest, "two pieces overlap at byte 25 of a.h5");
}

TEST(Manifest, IsRejectedIfAFileIsNotListed) {
  Manifest manifest = sample();
  manifest.files.pop_back();
  expect_rejected(manifest, "parameter weight is in \"b.h5\", which is not in the list of files");
}

TEST(Manifest, IsRejectedIfAFileNameLeadsOutOfTheDirectory) {
  for (const std::string& name : std::vector<std::string>{
           "../a.h5", "/etc/passwd", "..", ".", "", "a\nb", std::string("\0/etc", 5),
           std::string("a.h5\0", 5), "manifest.json"}) {
    Manifest manifest = sample();
    manifest.files.push_back({name, 1, 1});
    expect_rejected(manifest, "is not a valid name of a file in the checkpoint directory");
  }
}

TEST(Manifest, IsRejectedIfTheTotalSizeOfItsFilesOverflows) {
  Manifest manifest = sample();
  for (SavedFile& file : manifest.files) file.bytes = std::numeric_limits<int64_t>::max();
  expect_rejected(manifest, "the total size of its files exceeds 2^63 - 1 bytes");
}

TEST(Manifest, IsRejectedIfATensorIsListedTwice) {
  Manifest manifest = sample();
  manifest.tensors.push_back(manifest.tensors[0]);
  expect_rejected(manifest, "parameter weight is listed twice");
}

TEST(Manifest, IsRejectedIfANameContainsAControlCharacter) {
  Manifest manifest = sample();
  manifest.tensors[0].name = "weight\nall is well";
  expect_rejected(manifest, "\"weight\\nall is well\" has a control character in its name");
}

TEST(Manifest, IsRejectedIfAShapeOrItsSizeInBytesOverflows) {
  for (const Shape& shape : {Shape{int64_t{1} << 40, int64_t{1} << 40}, Shape{INT64_MAX},
                             Shape{int64_t{1} << 61}, Shape{int64_t{1} << 40, int64_t{1} << 40, 0},
                             Shape{0, int64_t{1} << 40, int64_t{1} << 40}}) {
    Manifest manifest = sample();
    manifest.tensors[0].shape = shape;
    expect_rejected(manifest, "parameter weight: shape " + to_string(shape) + " is larger");
  }
}

TEST(Manifest, IsRejectedIfATensorIsLargerThanItsFiles) {
  Manifest manifest = sample();
  manifest.tensors[0].shape = {int64_t{1} << 40};
  manifest.tensors[0].pieces = {{"a.h5", "/w", 0, int64_t{1} << 40, 0, int64_t{1} << 42, 3}};
  expect_rejected(manifest, "parameter weight has a piece outside the bytes of a.h5");
  manifest.tensors[0].shape = {2, 3};
  manifest.tensors[0].pieces[0].count = int64_t{1} << 62;
  expect_rejected(manifest, "the piece at element 0 has the wrong size");
}

TEST(Manifest, OfALaterVersionIsRejectedWithTheVersions) {
  EXPECT_THAT(
      [] { manifest_from_text(seal(R"("format": "ripieno checkpoint", "version": 2)")); },
      ThrowsMessage<LaterVersion>(
          "its format version is 2, but this program reads version 1; use a newer ripieno"));
}

// The text of sample() with `part` replaced by `other`, and a valid checksum.
std::string sample_with(const std::string& part, const std::string& other) {
  std::string members = to_text(sample());
  members = members.substr(2, members.rfind(",\n") - 2);
  const auto at = members.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return seal(members.replace(at, part.size(), other));
}

struct Wrong {
  std::string part, other, why;
};

TEST(Manifest, IsRejectedIfAMemberIsMissingOrInvalid) {
  const std::string too_large(400, '9');
  for (const Wrong& wrong : std::vector<Wrong>{
           {"ripieno checkpoint", "other", "format is \"other\", must be \"ripieno checkpoint\""},
           {"\"step\"", "\"stride\"", "member step is missing"},
           {"\"step\": 3", "\"step\": -3", "step: -3 is not an integer from 0 to"},
           {"\"step\": 3", "\"step\": 3.0", "step: 3.0 is not an integer from 0 to"},
           {"\"step\": 3", "\"step\": 18446744073709551615",
            "18446744073709551615 is not an integer from 0 to 9223372036854775807"},
           {"\"step\": 3", "\"step\": " + too_large, "a number that is too large"},
           {"\"world_size\": 2", "\"world_size\": 2147483648",
            "world_size: 2147483648 is not an integer from 0 to 2147483647"},
           {"\"world_size\": 2", "\"world_size\": 0", "world_size must be at least 1, got 0"},
           {"\"position\":7", "\"position\":NaN", "invalid JSON at byte"},
           {"\"position\":7", "\"position\":1e999", "a number that is too large"},
           {"[2,3]", "[2,-3]", "tensors[0]: shape[1]: -3 is not an integer"},
           {"[2,3]", "6", "tensors[0]: shape is 6, must be an array"},
           {"[2,3]", "[1,1,1,1,1,1,1,1,1]",
            "tensors[0]: shape[8]: shape: a tensor has at most 8 axes"},
           {"float32", "float31", "tensors[0]: unknown element type \"float31\""},
           {"parameter\"", "weight\"", "tensors[0]: unknown kind of tensor \"weight\""},
           {"\"offset\":4", "\"offset\":null",
            "tensors[0]: pieces[1]: offset: null is not an integer"},
           {"0000000000000003", "000000000000000X", "xxh3 is \"000000000000000X\", must be"},
           {"\"0000000000000003\"", "3", "xxh3 is 3, must be a string"},
           {"{\"name\":\"a.h5\"", "{\"name\":7", "files[0]: name is 7, must be a string"},
           {"{\"name\":\"a.h5\",\"bytes\":100,\"xxh3\":\"0000000000000001\"}", "[]",
            "files[0]: expected an object with a member name, found []"}}) {
    EXPECT_THAT([&] { manifest_from_text(sample_with(wrong.part, wrong.other)); },
                ThrowsMessage<DataError>(HasSubstr(wrong.why)))
        << wrong.other;
  }
}

TEST(Manifest, NamesTheByteAtWhichItIsInvalidJson) {
  EXPECT_THAT([] { manifest_from_text(seal("\"a\": [")); },
              ThrowsMessage<DataError>("invalid JSON at byte 8"));
}

TEST(Manifest, IsRejectedIfNestedTooDeeplyBeforeTheStackOverflows) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_THAT([&] { manifest_from_text(sample_with("{\"position\":7}", deep)); },
              ThrowsMessage<DataError>(HasSubstr("JSON is nested deeper than 100 levels")));
}

TEST(Manifest, MayContainBracketsInStrings) {
  const std::string brackets = "\"\\\"" + std::string(1000, '[') + "\"";
  EXPECT_NO_THROW(manifest_from_text(sample_with("{\"position\":7}", brackets)));
}

TEST(Manifest, IsNotReadIntoMemoryIfItIsTooLarge) {
  TemporaryDirectory directory;
  write_file(local_files(), directory / "manifest.json", "");
  std::filesystem::resize_file(directory / "manifest.json", uint64_t{1} << 40);  // a hole
  EXPECT_THAT(
      [&] { read_manifest(local_files(), directory.path()); },
      ThrowsMessage<DataError>(HasSubstr("manifest.json is damaged: it has 1099511627776 bytes")));
}

TEST(SealedJson, IsRejectedWithoutAValidChecksum) {
  for (const std::string text : {"", "{}", "{\"xxh3\": \"0000000000000000\"}\n"})
    EXPECT_THROW(unseal(text), DataError) << text;
}

TEST(SealedJson, IsRejectedIfItsLastByteDiffers) {
  std::string text = seal("\"a\": 1");
  unseal(text);
  text.back() = ' ';
  EXPECT_THROW(unseal(text), DataError);
}

}  // namespace
}  // namespace ripieno::io
