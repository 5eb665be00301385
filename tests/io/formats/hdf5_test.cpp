#include "ripieno/io/formats/hdf5.h"

#include <gmock/gmock.h>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

class Hdf5 : public testing::Test {
 protected:
  Hdf5File written(const std::vector<std::pair<std::string, Tensor>>& data_sets) {
    write_hdf5(local_files(), path_, data_sets);
    return Hdf5File(path_);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "a.h5";
};

TEST_F(Hdf5, ReadsBackEveryElementType) {
  for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16, DType::float64,
                            DType::int64, DType::int32, DType::uint8, DType::boolean}) {
    Tensor numbers({33, 3}, dtype);
    numbers.copy_from(Tensor::full({33, 3}, 1));
    numbers.slice(0, 0, 10).fill(0);
    const Hdf5File file = written({{"/numbers", numbers}});
    EXPECT_EQ(file.data_set("/numbers").dtype, dtype);
    const Tensor read = file.read("/numbers");
    EXPECT_EQ(read.shape(), numbers.shape());
    EXPECT_EQ(read.to(DType::float64).to_vector<double>(),
              numbers.to(DType::float64).to_vector<double>());
  }
}

TEST_F(Hdf5, ReadsBackTheBitsOfBfloat16) {
  const std::vector<float> values = {1.0f, -2.5f, 3.0e38f, 1.0e-40f, 0.0f, -0.0f};
  std::vector<bfloat16> stored(values.begin(), values.end());
  const Hdf5File file = written({{"/b", Tensor::of(Shape{6}, stored)}});
  const auto read = file.read("/b").to_vector<bfloat16>();
  for (std::size_t i = 0; i < stored.size(); ++i) EXPECT_EQ(read[i].bits, stored[i].bits);
}

TEST_F(Hdf5, ListsItsDataSets) {
  const Tensor numbers = Tensor::zeros({2, 3}, DType::int32);
  const Hdf5File file = written({{"/b/c", numbers}, {"/a", Tensor::zeros({0, 2})}});
  const auto found = file.data_sets();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].path, "/a");
  EXPECT_EQ(found[0].shape, (Shape{0, 2}));
  EXPECT_EQ(found[1].path, "/b/c");
  EXPECT_EQ(found[1].dtype, DType::int32);
}

TEST_F(Hdf5, ReadsSomeRows) {
  const Hdf5File file = written({{"/n", Tensor::of<int64_t>({4, 2}, {0, 1, 2, 3, 4, 5, 6, 7})}});
  const Tensor rows = file.read_rows("/n", 1, 3);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_THAT(rows.to_vector<int64_t>(), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(file.read_rows("/n", 4, 4).to_vector<int64_t>(), IsEmpty());
  EXPECT_THROW(file.read_rows("/n", 3, 5), Error);
}

TEST_F(Hdf5, ReadsScalarsAndEmptyOnes) {
  const Hdf5File file =
      written({{"/scalar", Tensor::full({}, 4)}, {"/empty", Tensor::zeros({3, 0})}});
  EXPECT_EQ(file.read("/scalar").item(), 4);
  EXPECT_EQ(file.read("/empty").shape(), (Shape{3, 0}));
}

TEST_F(Hdf5, HoldsManyDataSets) {
  std::vector<std::pair<std::string, Tensor>> data_sets;
  for (int i = 0; i < 1001; ++i)
    data_sets.emplace_back("/parameters/" + std::to_string(i), Tensor::full({i % 33, 31}, i));
  const Hdf5File file = written(data_sets);
  for (const int i : {1, 32, 500, 1000}) {
    const auto read = file.read(data_sets[i].first).to_vector<float>();
    EXPECT_EQ(read, data_sets[i].second.to_vector<float>());
  }
}

TEST_F(Hdf5, NamesFileAndDataSetThatAreNotThere) {
  const Hdf5File file = written({{"/a", Tensor::zeros({1})}});
  EXPECT_THAT([&] { file.read("/images"); },
              ThrowsMessage<DataError>(HasSubstr(path_ + ": data set /images: ")));
  EXPECT_THAT([&] { Hdf5File(directory_ / "missing.h5"); },
              ThrowsMessage<StorageError>(HasSubstr("missing.h5: No such file")));
}

TEST_F(Hdf5, RefusesAnotherKindOfFile) {
  write_file(local_files(), path_, "not HDF5");
  EXPECT_THAT([&] { Hdf5File{path_}; },
              ThrowsMessage<DataError>(HasSubstr("cannot read " + path_ + " as HDF5")));
}

}  // namespace
}  // namespace ripieno::io
