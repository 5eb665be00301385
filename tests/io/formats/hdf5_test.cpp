#include "ripieno/io/formats/hdf5.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <functional>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/formats/hdf5_handle.h"

namespace ripieno::io {
namespace {

using testing::AllOf;
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

TEST_F(Hdf5, ReadsARangeOfRows) {
  const Hdf5File file = written({{"/n", Tensor::of<int64_t>({4, 2}, {0, 1, 2, 3, 4, 5, 6, 7})}});
  const Tensor rows = file.read_rows("/n", 1, 3);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_THAT(rows.to_vector<int64_t>(), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(file.read_rows("/n", 4, 4).to_vector<int64_t>(), IsEmpty());
  EXPECT_THROW(file.read_rows("/n", 3, 5), Error);
}

TEST_F(Hdf5, ReadsScalarsAndEmptyDataSets) {
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

TEST_F(Hdf5, NamesAMissingFileOrDataSetInTheError) {
  const Hdf5File file = written({{"/a", Tensor::zeros({1})}});
  EXPECT_THAT([&] { file.read("/images"); },
              ThrowsMessage<DataError>(HasSubstr(path_ + ": data set /images: ")));
  EXPECT_THAT([&] { Hdf5File(directory_ / "missing.h5"); },
              ThrowsMessage<StorageError>(HasSubstr("missing.h5: No such file")));
}

TEST_F(Hdf5, RejectsAFileThatIsNotHdf5) {
  write_file(local_files(), path_, "not HDF5");
  EXPECT_THAT([&] { Hdf5File{path_}; },
              ThrowsMessage<DataError>(HasSubstr("cannot read " + path_ + " as HDF5")));
}

// Files as other programs may write them: one data set, of which only some rows are written.
class ForeignHdf5File : public testing::Test {
 protected:
  using Set = std::function<void(hid_t creation)>;

  // Creates a data set of 10 rows of `type` with the properties that `set` sets, and writes the
  // first `written` rows.
  void make(const Set& set, hsize_t written = 10, hid_t type = H5T_STD_I32LE) {
    const Hdf5Lock lock;
    const hsize_t rows = 10, first = 0;
    const Hdf5Handle file(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                          H5Fclose, "file");
    const Hdf5Handle space(H5Screate_simple(1, &rows, nullptr), H5Sclose, "space");
    const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "creation");
    set(creation.get());
    const Hdf5Handle data_set(
        H5Dcreate2(file.get(), "/n", type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
        H5Dclose, "data set");
    if (written == 0) return;
    const std::vector<int32_t> numbers(10, 7);
    const Hdf5Handle part(H5Screate_simple(1, &written, nullptr), H5Sclose, "part");
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &first, nullptr, &written, nullptr);
    check_hdf5(H5Dwrite(data_set.get(), H5T_NATIVE_INT, part.get(), space.get(), H5P_DEFAULT,
                        numbers.data()),
               "write");
  }
  static void chunked(hid_t creation) {
    const hsize_t chunk = 4;
    H5Pset_chunk(creation, 1, &chunk);
  }
  // Maps rows begin <= row < end of a virtual data set to `source`.
  static void map(hid_t creation, hsize_t begin, hsize_t end, const std::string& source) {
    const hsize_t rows = 10, count = end - begin;
    const Hdf5Handle whole(H5Screate_simple(1, &rows, nullptr), H5Sclose, "whole");
    const Hdf5Handle part(H5Screate_simple(1, &count, nullptr), H5Sclose, "part");
    H5Sselect_hyperslab(whole.get(), H5S_SELECT_SET, &begin, nullptr, &count, nullptr);
    check_hdf5(H5Pset_virtual(creation, whole.get(), source.c_str(), "/n", part.get()), "map");
  }
  template <typename Failure>
  void expect_rejected(const std::string& why) const {
    const Hdf5File file(path_);
    EXPECT_THAT([&] { file.read("/n"); },
                ThrowsMessage<Failure>(AllOf(HasSubstr(path_ + ": data set /n"), HasSubstr(why))));
    EXPECT_THROW(file.read_rows("/n", 0, 1), Failure);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "foreign.h5";
};

TEST_F(ForeignHdf5File, IsReadIfAllChunksAreWritten) {
  make(chunked);
  EXPECT_THAT(Hdf5File(path_).read("/n").to_vector<int32_t>(), testing::Each(7));
}

TEST_F(ForeignHdf5File, IsRejectedIfAChunkWasNeverWritten) {
  make(chunked, /*written=*/4);
  expect_rejected<DataError>("2 of 3 chunks, the first at [4], that were never written");
}

TEST_F(ForeignHdf5File, IsRejectedIfNothingWasWritten) {
  make([](hid_t) {}, /*written=*/0);
  expect_rejected<DataError>("elements that were never written");
}

TEST_F(ForeignHdf5File, IsRejectedIfASourceIsMissing) {
  make([](hid_t creation) { map(creation, 0, 10, "elsewhere.h5"); }, /*written=*/0);
  expect_rejected<DataError>("elsewhere.h5, which does not exist");
}

TEST_F(ForeignHdf5File, IsRejectedIfASourceHasTooFewElementsOrNoSuchDataSet) {
  make([](hid_t creation) { map(creation, 0, 10, "source.h5"); }, /*written=*/0);
  write_hdf5(local_files(), directory_ / "source.h5", {{"/n", Tensor::zeros({9})}});
  expect_rejected<DataError>("has fewer elements");
  write_hdf5(local_files(), directory_ / "source.h5", {{"/other", Tensor::zeros({10})}});
  expect_rejected<DataError>("its source /n of");
}

TEST_F(ForeignHdf5File, IsRejectedIfItsSourcesLeaveAGap) {
  write_hdf5(local_files(), directory_ / "source.h5", {{"/n", Tensor::zeros({8})}});
  make([](hid_t creation) { map(creation, 0, 8, "source.h5"); }, /*written=*/0);
  expect_rejected<DataError>("its sources supply 8 of 10 elements");
}

TEST_F(ForeignHdf5File, IsRejectedIfItUsesExternalStorage) {
  write_file(local_files(), directory_ / "secret", std::string(40, 's'));
  make([&](hid_t creation) { H5Pset_external(creation, (directory_ / "secret").c_str(), 0, 40); },
       /*written=*/0);
  expect_rejected<ConfigurationError>("external storage");
}

TEST_F(ForeignHdf5File, IsRejectedIfASourceUsesExternalStorage) {
  write_file(local_files(), directory_ / "secret", std::string(40, 's'));
  make([&](hid_t creation) { H5Pset_external(creation, (directory_ / "secret").c_str(), 0, 40); },
       /*written=*/0);
  std::filesystem::rename(path_, directory_ / "source.h5");
  make([](hid_t creation) { map(creation, 0, 10, "source.h5"); }, /*written=*/0);
  expect_rejected<ConfigurationError>("external storage");
}

TEST_F(ForeignHdf5File, IsRejectedWithTheNameOfAMissingFilter) {
  constexpr H5Z_filter_t kFilter = 511;  // in the range reserved for testing
  const auto pass = [](unsigned, std::size_t, const unsigned*, std::size_t bytes, std::size_t*,
                       void**) { return bytes; };
  const H5Z_class2_t filter{H5Z_CLASS_T_VERS, kFilter, 1, 1, "shrinker", nullptr, nullptr, pass};
  {
    const Hdf5Lock lock;
    check_hdf5(H5Zregister(&filter), "register");
  }
  make([&](hid_t creation) {
    chunked(creation);
    H5Pset_filter(creation, kFilter, 0, 0, nullptr);
  });
  {
    const Hdf5Lock lock;
    check_hdf5(H5Zunregister(kFilter), "unregister");
  }
  expect_rejected<ConfigurationError>("the filter \"shrinker\" (number 511)");
}

TEST_F(ForeignHdf5File, IsRejectedWithTheNameOfAnUnsupportedType) {
  make([](hid_t) {}, /*written=*/0, H5T_STD_U64LE);
  expect_rejected<ConfigurationError>("its elements are uint64");
  make([](hid_t) {}, /*written=*/0, H5T_C_S1);
  expect_rejected<ConfigurationError>("its elements are strings");
}

}  // namespace
}  // namespace ripieno::io
