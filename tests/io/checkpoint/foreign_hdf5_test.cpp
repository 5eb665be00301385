#include "ripieno/io/checkpoint/foreign_hdf5.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/formats/hdf5.h"

namespace ripieno::io {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

class ForeignHdf5 : public testing::Test {
 protected:
  ForeignHdf5() : path_(directory_ / "weights.h5") {}
  void write(const std::vector<std::pair<std::string, Tensor>>& data_sets) const {
    write_hdf5(local_files(), path_, data_sets);
  }
  static StateTensor parameter(const std::string& name, const Tensor& whole) {
    return state_of(name, StateKind::parameter, whole);
  }

  TemporaryDirectory directory_;
  const std::string path_;
};

TEST_F(ForeignHdf5, LoadsParametersByTheirPaths) {
  write({{"/blocks/0/weight", Tensor::of<float>({2, 2}, {1, 2, 3, 4})},
         {"/bias", Tensor::of<float>({1}, {5})}});
  const Tensor weight({2, 2}), bias({1});
  const auto report =
      load_foreign_hdf5(path_, {parameter("blocks.0.weight", weight), parameter("bias", bias)});
  EXPECT_THAT(weight.to_vector<float>(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(bias.to_vector<float>(), ElementsAre(5));
  EXPECT_TRUE(report.matches());
}

TEST_F(ForeignHdf5, UsesTheGroupOfParametersIfThereIsOne) {
  write({{"/parameters/w", Tensor::of<float>({1}, {1})}, {"/epoch", Tensor::of<float>({1}, {2})}});
  const Tensor w({1});
  load_foreign_hdf5(path_, {parameter("w", w)});
  EXPECT_THAT(w.to_vector<float>(), ElementsAre(1));
}

TEST_F(ForeignHdf5, LoadsARangeInAnotherTypeUnderAnotherName) {
  write({{"/model.w", Tensor::of<double>({2, 2}, {1, 2, 3, 4})}});
  StateTensor part{"w", StateKind::parameter,        DType::bfloat16, {2, 2},
                   1,   Tensor({2}, DType::bfloat16)};
  load_foreign_hdf5(path_, {part}, {.prefix = "model."});
  EXPECT_THAT(part.part.to(DType::float32).to_vector<float>(), ElementsAre(2, 3));
}

TEST_F(ForeignHdf5, IsRejectedWithAListOfDifferences) {
  write({{"/w", Tensor::of<float>({3}, {1, 2, 3})}, {"/other", Tensor::of<float>({1}, {1})}});
  EXPECT_THAT([&] { load_foreign_hdf5(path_, {parameter("w", Tensor({2}))}); },
              ThrowsMessage<ConfigurationError>(
                  AllOf(HasSubstr(path_), HasSubstr("w was saved as (3) but is (2) in this run"),
                        HasSubstr("not in this run: parameter other (1)"))));
}

TEST_F(ForeignHdf5, IsRejectedIfItIsTheViewOfACheckpointWithoutItsShards) {
  const Tensor weight = Tensor::of<float>({4}, {1, 2, 3, 4});
  save_checkpoint(local_files(), directory_.path(), 1, {parameter("w", weight)}, {},
                  {.attempt = "once"});
  std::filesystem::copy_file(directory_ / "step_00000001/checkpoint.h5", path_);
  const Tensor loaded({4});
  EXPECT_THAT([&] { load_foreign_hdf5(path_, {parameter("w", loaded)}); },
              ThrowsMessage<DataError>(AllOf(HasSubstr(path_ + ": data set /parameters/w"),
                                             HasSubstr("shard_00000_of_00001.h5"),
                                             HasSubstr("does not exist"))));
  load_foreign_hdf5(directory_ / "step_00000001/checkpoint.h5", {parameter("w", loaded)});
  EXPECT_THAT(loaded.to_vector<float>(), ElementsAre(1, 2, 3, 4));
}

TEST_F(ForeignHdf5, IsRejectedIfItIsNotHdf5) {
  write_file(local_files(), path_, "some text");
  EXPECT_THAT([&] { load_foreign_hdf5(path_, {}); }, ThrowsMessage<DataError>(HasSubstr(path_)));
}

}  // namespace
}  // namespace ripieno::io
