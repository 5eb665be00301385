#include "ripieno/io/data/image_loader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/formats/hdf5.h"

namespace ripieno::io {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

// A file of one-pixel images, whose labels are their indices.
class ImageFile : public testing::Test {
 protected:
  void write(int size) {
    std::vector<uint8_t> pixels(static_cast<std::size_t>(size)), labels(pixels.size());
    std::iota(labels.begin(), labels.end(), uint8_t{0});
    std::iota(pixels.begin(), pixels.end(), uint8_t{100});
    write_hdf5(
        local_files(), path_,
        {{"/images", Tensor::of({size, 1, 1}, pixels)}, {"/labels", Tensor::of({size}, labels)}});
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "images.h5";
};

std::vector<int32_t> next_labels(ImageLoader& loader) {
  return loader.next().targets.to_vector<int32_t>();
}

TEST_F(ImageFile, HoldsOutEveryFifthImage) {
  write(11);
  ImageLoader loader(path_, {.batch_size = 9});
  EXPECT_THAT(loader.held_out(2)->batch(0).targets.to_vector<int32_t>(), ElementsAre(4, 9));
  auto labels = next_labels(loader);
  std::sort(labels.begin(), labels.end());
  EXPECT_THAT(labels, ElementsAre(0, 1, 2, 3, 5, 6, 7, 8, 10));
}

TEST_F(ImageFile, IsShuffledDifferentlyInEachEpoch) {
  write(20);
  ImageLoader loader(path_, {.batch_size = 16});
  EXPECT_NE(next_labels(loader), next_labels(loader));
}

TEST_F(ImageFile, SplitsBetweenRanksTheBatchOfASingleRankAcrossEpochs) {
  write(20);
  ImageLoader alone(path_, {.batch_size = 5}), first(path_, {.batch_size = 5}, {0, 2}),
      second(path_, {.batch_size = 5}, {1, 2});
  for (int i = 0; i < 10; ++i) {
    auto together = next_labels(first);
    const auto rest = next_labels(second);
    together.insert(together.end(), rest.begin(), rest.end());
    EXPECT_EQ(together, next_labels(alone));
  }
}

TEST_F(ImageFile, ResumesAtAPosition) {
  write(20);
  ImageLoader whole(path_, {.batch_size = 3}), resumed(path_, {.batch_size = 3});
  for (int i = 0; i < 7; ++i) whole.next();
  resumed.seek(whole.position());
  EXPECT_EQ(next_labels(resumed), next_labels(whole));
}

TEST_F(ImageFile, IsNormalizedByItsTrainingImages) {
  write(10);  // training images: 100 … 103 and 105 … 108
  ImageLoader loader(path_, {.batch_size = 8});
  const PixelScale scale = loader.pixel_scale();
  EXPECT_DOUBLE_EQ(scale.mean, 104);
  EXPECT_NEAR(scale.deviation, std::sqrt(7.5), 1e-9);
  const Batch held_out = loader.held_out(1)->batch(0);
  EXPECT_EQ(held_out.inputs.shape(), Shape({1, 1, 1}));
  EXPECT_NEAR(held_out.inputs.item(), 0, 1e-6);
}

TEST_F(ImageFile, IsRejectedIfImagesAndLabelsDoNotMatch) {
  write_hdf5(local_files(), path_,
             {{"/images", Tensor::zeros({3, 2, 2}, DType::uint8)},
              {"/labels", Tensor::zeros({4}, DType::uint8)}});
  EXPECT_THROW(ImageData::read(path_), DataError);
}

TEST_F(ImageFile, IsRejectedIfALabelIsNegative) {
  write_hdf5(
      local_files(), path_,
      {{"/images", Tensor::zeros({2, 2, 2})}, {"/labels", Tensor::of<int32_t>({2}, {0, -1})}});
  EXPECT_THROW(ImageData::read(path_), DataError);
}

TEST_F(ImageFile, IsRejectedNamingTheSampleIfAPixelOrLabelIsInvalid) {
  const auto complaint = [&](const Tensor& images, const Tensor& labels) -> std::string {
    write_hdf5(local_files(), path_, {{"/images", images}, {"/labels", labels}});
    try {
      ImageData::read(path_);
    } catch (const DataError& error) {
      return error.what();
    }
    return "taken";
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor pixels = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  const Tensor labels = Tensor::of<int32_t>({2}, {0, 1});
  EXPECT_THAT(complaint(Tensor::of<float>({2, 2}, {1, 2, 3, nan}), labels),
              HasSubstr("pixel 1 of sample 1 is nan"));
  EXPECT_THAT(complaint(Tensor::of<double>({2, 2}, {1, 1e300, 3, 4}), labels),
              HasSubstr("pixel 1 of sample 0 is inf"));
  for (const double label : {double{nan}, 0.5, 1e10, -1.0}) {
    EXPECT_THAT(complaint(pixels, Tensor::of<double>({2}, {0, label})), HasSubstr("of sample 1"));
  }
  EXPECT_THAT(complaint(pixels, Tensor::of<int64_t>({2}, {int64_t{1} << 32, 0})),
              HasSubstr("of sample 0"));
  EXPECT_THAT(complaint(Tensor::zeros({2, 0}), labels), HasSubstr("at least one pixel"));
  EXPECT_EQ(complaint(pixels, Tensor::of<double>({2}, {0, 3})), "taken");
}

TEST_F(ImageFile, MustExist) { EXPECT_THROW(ImageData::read(path_), ConfigurationError); }

TEST_F(ImageFile, GivesARankNoRowsIfThereAreFewerRowsThanRanks) {
  write(20);
  const io::Batch batch = ImageLoader(path_, {.batch_size = 2}, {2, 3}).next();
  EXPECT_EQ(batch.inputs.size(0), 0);
  EXPECT_EQ(batch.targets.size(0), 0);
  EXPECT_THROW(ImageLoader(path_, {.batch_size = 0}), ConfigurationError);
}

TEST_F(ImageFile, HasAFingerprintOfItsImagesAndLabels) {
  const auto fingerprint_of = [&](const Shape& shape, uint8_t pixel, uint8_t label) {
    write_hdf5(local_files(), path_,
               {{"/images", Tensor::full(shape, pixel, DType::uint8)},
                {"/labels", Tensor::full({2}, label, DType::uint8)}});
    return ImageData::read(path_).fingerprint;
  };
  const std::string fingerprint = fingerprint_of({2, 2, 3}, 5, 1);
  EXPECT_EQ(fingerprint_of({2, 2, 3}, 5, 1), fingerprint);
  EXPECT_NE(fingerprint_of({2, 2, 3}, 6, 1), fingerprint);
  EXPECT_NE(fingerprint_of({2, 2, 3}, 5, 2), fingerprint);
  EXPECT_NE(fingerprint_of({2, 3, 2}, 5, 1), fingerprint);
}

TEST(Digits, AreTheHandwrittenDigitsOfUci) {
  const ImageData digits = ImageData::read(DIGITS_FILE);
  EXPECT_EQ(digits.images.shape(), Shape({1797, 8, 8}));
  EXPECT_EQ(digits.classes(), 10);
  EXPECT_THAT(digits.images.slice(0, 0, 1).slice(1, 0, 1).to_vector<uint8_t>(),
              ElementsAre(0, 0, 5, 13, 9, 1, 0, 0));
  const ImageLoader loader(digits, {.batch_size = 32});
  EXPECT_EQ(loader.training_samples(), 1438);
  EXPECT_EQ(loader.held_out(359)->batch(0).inputs.shape(), Shape({359, 8, 8}));
}

}  // namespace
}  // namespace ripieno::io
