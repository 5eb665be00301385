#include "ripieno/io/manifest.h"

#include <gmock/gmock.h>

#include "ripieno/core/error.h"
#include "ripieno/io/sealed_json.h"

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

void expect_refused(const Manifest& manifest, const std::string& why) {
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

TEST(Manifest, IsRefusedWhereAnElementIsMissing) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces.pop_back();
  expect_refused(manifest, "parameter weight: element 4 is missing");
  manifest.tensors[0].pieces.clear();
  expect_refused(manifest, "element 0 is missing");
}

TEST(Manifest, IsRefusedWhereAnElementIsThereTwice) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].begin = 3;
  expect_refused(manifest, "element 3 is there twice");
}

TEST(Manifest, IsRefusedWhereAPieceHasTheWrongSize) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].bytes = 4;
  expect_refused(manifest, "wrong size");
  manifest = sample();
  manifest.tensors[0].pieces[1].count = 3;
  manifest.tensors[0].pieces[1].bytes = 12;
  manifest.tensors[0].pieces[1].file_offset = 0;
  expect_refused(manifest, "wrong size");
}

TEST(Manifest, IsRefusedWhereAPieceLiesOutsideItsFile) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].file_offset = 43;
  expect_refused(manifest, "lies outside b.h5");
  manifest.tensors[0].pieces[1].file_offset = INT64_MAX;
  expect_refused(manifest, "lies outside b.h5");
}

TEST(Manifest, IsRefusedWherePiecesOverlap) {
  Manifest manifest = sample();
  manifest.tensors[0].pieces[1].file = "a.h5";
  manifest.tensors[0].pieces[1].file_offset = 25;
  expect_refused(manifest, "overlap in a.h5");
}

TEST(Manifest, IsRefusedWhereAFileIsNotListed) {
  Manifest manifest = sample();
  manifest.files.pop_back();
  expect_refused(manifest, "b.h5, which is not listed");
}

TEST(Manifest, IsRefusedWhereAFileLiesElsewhere) {
  for (const std::string name : {"../a.h5", "/etc/passwd", "..", ""}) {
    Manifest manifest = sample();
    manifest.files.push_back({name, 1, 1});
    expect_refused(manifest, "is not the name of a file beside it");
  }
}

TEST(Manifest, IsRefusedWhereATensorIsListedTwice) {
  Manifest manifest = sample();
  manifest.tensors.push_back(manifest.tensors[0]);
  expect_refused(manifest, "parameter weight is listed twice");
}

TEST(Manifest, OfALaterVersionIsRefused) {
  EXPECT_THAT(
      [] { manifest_from_text(seal(R"("format": "ripieno checkpoint", "version": 2)")); },
      ThrowsMessage<DataError>(HasSubstr("format version is 2, this program reads version 1")));
}

TEST(Manifest, IsRefusedWhereAMemberIsMissingOrOfAnotherType) {
  for (const std::string text :
       {R"("format": "ripieno checkpoint", "version": 1)", R"("format": 3)", R"("a": [)",
        R"("format": "ripieno checkpoint", "version": 1, "step": -1)"}) {
    EXPECT_THROW(manifest_from_text(seal(text)), DataError) << text;
  }
}

TEST(SealedJson, IsRefusedUnsealed) {
  for (const std::string text : {"", "{}", "{\"xxh3\": \"0000000000000000\"}\n"})
    EXPECT_THROW(unseal(text), DataError) << text;
}

TEST(SealedJson, IsRefusedWhereItsEndDiffers) {
  std::string text = seal("\"a\": 1");
  unseal(text);
  text.back() = ' ';
  EXPECT_THROW(unseal(text), DataError);
}

}  // namespace
}  // namespace ripieno::io
