#include "ripieno/io/formats/protobuf_writer.h"

#include <gmock/gmock.h>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

TEST(ProtobufWriter, WritesVarintsInGroupsOfSevenBits) {
  ProtobufWriter writer;
  writer.add_integer(1, 150);
  EXPECT_EQ(writer.bytes(), bytes({0x08, 0x96, 0x01}));
  writer.clear();
  writer.add_integer(2, -1);
  EXPECT_EQ(writer.bytes(), bytes({0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}));
}

TEST(ProtobufWriter, WritesNumbersOfFixedSizeAndText) {
  ProtobufWriter writer;
  writer.add_float(1, 1.0f);
  writer.add_double(2, -2.0);
  writer.add_bytes(16, "ab");
  EXPECT_EQ(writer.bytes(), bytes({0x0d, 0, 0, 0x80, 0x3f, 0x11, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0x82,
                                   0x01, 2, 'a', 'b'}));
}

TEST(ProtobufWriter, NestsMessagesAndPacksNumbers) {
  ProtobufWriter inner, outer;
  inner.add_packed_integers(4, std::vector<int64_t>{3, 270, 86942});
  EXPECT_EQ(inner.bytes(), bytes({0x22, 6, 3, 0x8e, 2, 0x9e, 0xa7, 5}));
  outer.add_message(3, inner);
  EXPECT_EQ(outer.bytes(), bytes({0x1a, 8}) + inner.bytes());
}

TEST(ProtobufWriter, RefusesFieldNumbersThatDoNotExist) {
  ProtobufWriter writer;
  for (const int field : {0, -1, 19000, 19999, 1 << 29})
    EXPECT_THROW(writer.add_integer(field, 1), Error) << field;
}

}  // namespace
}  // namespace ripieno::io
