#include "ripieno/io/formats/safetensors.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// The first bytes of a file: the length of the header, and the header.
std::string beginning_with(const std::string& header) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return text + header;
}

// Parses a header that is followed by `data_bytes` of tensor data.
SafetensorsHeader parsed(const std::string& header, int64_t data_bytes) {
  const std::string beginning = beginning_with(header);
  return parse_safetensors(beginning, std::ssize(beginning) + data_bytes);
}

std::string of_one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

TEST(Safetensors, ParsesTheOffsetOfEachTensor) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"late":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},)"
      R"("early":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}   )";
  const SafetensorsHeader found = parsed(header, 14);
  ASSERT_EQ(found.tensors.size(), 2u);
  EXPECT_EQ(found.tensors[0].name, "early");
  EXPECT_EQ(found.tensors[0].shape, (Shape{2, 1}));
  EXPECT_EQ(found.tensors[1].dtype, DType::bfloat16);
  EXPECT_EQ(found.tensors[1].file_offset, 8 + std::ssize(header) + 8);
  EXPECT_EQ(found.tensors[1].bytes, 6);
  EXPECT_EQ(found.metadata.at("format"), "pt");
}

TEST(Safetensors, AcceptsScalarsAndTensorsWithoutElements) {
  const auto found =
      parsed(R"({"n":{"dtype":"I64","shape":[0,9223372036854775807],"data_offsets":[8,8]},)"
             R"("s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})",
             8);
  EXPECT_EQ(found.tensors[0].shape, Shape{});
  EXPECT_EQ(found.tensors[1].bytes, 0);
  EXPECT_TRUE(parsed("{}", 0).tensors.empty());
}

struct Rejected {
  std::string header;
  int64_t data_bytes;
  std::string why;
};

class SafetensorsRefuses : public testing::TestWithParam<Rejected> {};

TEST_P(SafetensorsRefuses, WithTheReason) {
  EXPECT_THAT([&] { parsed(GetParam().header, GetParam().data_bytes); },
              ThrowsMessage<DataError>(HasSubstr(GetParam().why)));
}

INSTANTIATE_TEST_SUITE_P(
    Headers, SafetensorsRefuses,
    testing::Values(
        Rejected{"", 0, "does not begin with {"}, Rejected{" {}", 0, "does not begin with {"},
        Rejected{R"({"a":})", 0, "invalid JSON at byte 14"},
        Rejected{R"({"a":1})", 0, "not an object"},
        Rejected{R"({"a":{"dtype":"F32","shape":[1]}})", 4, "tensor \"a\" has no data_offsets"},
        Rejected{of_one("F8_E4M3", "[4]", "[0,4]"), 4, "element type \"\\\"F8_E4M3\\\"\""},
        Rejected{of_one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "9 axes"},
        Rejected{of_one("F32", "[-1]", "[0,4]"), 4, "has the size \"-1\""},
        Rejected{of_one("F32", "[1.5]", "[0,4]"), 4, "has the size \"1.5\""},
        Rejected{of_one("F32", "[18446744073709551615]", "[0,4]"), 4, "has the size"},
        Rejected{of_one("F32", "[4294967296,4294967296]", "[0,4]"), 4, "larger than any file"},
        Rejected{of_one("F32", "[2]", "[0,4]"), 4, "its shape (2) requires 8"},
        Rejected{of_one("F32", "[1]", "[4,0]"), 4, "data_offsets 4 to 0, outside the 4 bytes"},
        Rejected{of_one("F32", "[1]", "[0,4]"), 3, "data_offsets 0 to 4, outside the 3 bytes"},
        Rejected{of_one("F32", "[1]", "[0,4,8]"), 8, "is not an array of two numbers"},
        Rejected{of_one("F32", "[1]", "[0,4]"), 5, "the file ends at byte"},
        Rejected{of_one("F32", "[1]", "[4,8]"), 8, "belong to no tensor"},
        Rejected{R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                 R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                 3, "inside the tensor before it"},
        Rejected{R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                 R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                 0, "has the key \"a\" twice"},
        Rejected{R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0,
                 "has the key \"dtype\" twice"},
        Rejected{R"({"a":{"dtype":"U8","shape":[[0]],"data_offsets":[0,0]}})", 0, "nested"},
        Rejected{R"({"__metadata__":{"format":1}})", 0, "not a string"}));

TEST(Safetensors, ValidatesTheLengthOfTheHeader) {
  const auto rejects = [](const std::string& first, int64_t bytes, const std::string& why) {
    EXPECT_THAT([&] { safetensors_header_bytes(first, bytes); },
                ThrowsMessage<DataError>(HasSubstr(why)));
  };
  rejects("1234567", 7, "too few for the 8-byte length");
  rejects(std::string(8, '\xff'), INT64_MAX, "the format allows at most 100000000");
  rejects(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8), INT64_MAX, "header of 100000001 bytes");
  rejects(std::string("\x03\0\0\0\0\0\0\0", 8), 10, "ends at byte 10");
  EXPECT_THAT([] { parse_safetensors(std::string("\x03\0\0\0\0\0\0\0{", 9), 11); },
              ThrowsMessage<DataError>(HasSubstr("truncated at byte 9")));
}

SafetensorsHeader two_tensors() {
  return {{{"b", DType::uint8, {3}}, {"a", DType::float32, {1}}}, {{"format", "pt"}}};
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(Safetensors, ReadsWhatItWrote) {
  const TemporaryDirectory directory;
  SafetensorsWriter writer(local_files(), directory / "x.safetensors", two_tensors());
  writer.append(bytes_of("123"));
  writer.append(bytes_of("45"));
  writer.append(bytes_of("67"));
  writer.finish();

  const SafetensorsReader reader(local_files(), directory / "x.safetensors");
  const auto& tensors = reader.header().tensors;
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "b");
  EXPECT_EQ(tensors[0].file_offset % 8, 0);
  std::string part(2, ' ');
  reader.read(tensors[1], 1, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "56");
  EXPECT_EQ(reader.header().metadata, two_tensors().metadata);
}

TEST(Safetensors, RequiresExactlyTheBytesOfItsTensors) {
  const TemporaryDirectory directory;
  SafetensorsWriter writer(local_files(), directory / "x.safetensors", two_tensors());
  EXPECT_THROW(writer.append(bytes_of("12345678")), Error);
  writer.append(bytes_of("123456"));
  EXPECT_THROW(writer.finish(), Error);
  SafetensorsHeader twice = two_tensors();
  twice.tensors[1].name = "b";
  EXPECT_THROW(SafetensorsWriter(local_files(), directory / "y.safetensors", twice), Error);
}

TEST(Safetensors, NamesTheRejectedFileInTheError) {
  const TemporaryDirectory directory;
  write_file(local_files(), directory / "x.safetensors", beginning_with("{}") + "left over");
  EXPECT_THAT([&] { SafetensorsReader(local_files(), directory / "x.safetensors"); },
              ThrowsMessage<DataError>(testing::AllOf(HasSubstr("x.safetensors is damaged"),
                                                      HasSubstr("the file ends at byte 19"))));
}

}  // namespace
}  // namespace ripieno::io
