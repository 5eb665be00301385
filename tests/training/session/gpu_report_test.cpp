#include "ripieno/training/session/gpu_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/kernels/attention_library.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno {
namespace {

using kernels::ProductAlgorithms;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

struct GpuReportTest : testing::Test {
  GpuReportTest() { kernels::set_numerics({}); }
  ~GpuReportTest() override { kernels::set_numerics({}); }
};

TEST_F(GpuReportTest, NamesTheLibrariesAndHowAlgorithmsAreChosen) {
  EXPECT_THAT(gpu_report(DType::bfloat16).line,
              AllOf(HasSubstr("matrix products by " + kernels::matmul_library()),
                    HasSubstr("the fastest algorithm measured for each shape"),
                    HasSubstr("; attention by " + kernels::attention_library())));
}

TEST_F(GpuReportTest, SaysWhyNothingIsMeasured) {
  kernels::set_numerics({.algorithms = ProductAlgorithms::guessed, .repeatable_attention = true});
  EXPECT_THAT(gpu_report(DType::bfloat16).line,
              HasSubstr("its own choice of algorithms (train.deterministic or parallel.strict)"));
  kernels::set_numerics({.algorithms = ProductAlgorithms::guessed, .fused_epilogues = false});
  EXPECT_THAT(gpu_report(DType::bfloat16).line,
              AllOf(HasSubstr("its own choice of algorithms (RIPIENO_MATMUL_MEASURE=0)"),
                    HasSubstr("(RIPIENO_MATMUL_EPILOGUES=0)")));
}

TEST_F(GpuReportTest, WarnsThatAttentionInSixteenBitsFallsBack) {
  kernels::set_numerics({.library_attention = false});
  EXPECT_THAT(gpu_report(DType::float16).warnings,
              testing::ElementsAre("warning: attention in float16 does not use tensor cores and is "
                                   "slower: it is computed by built-in kernels: disabled by "
                                   "RIPIENO_USE_CUDNN=0"));
}

TEST_F(GpuReportTest, DoesNotWarnAboutFloat32WhichNoLibraryComputes) {
  kernels::set_numerics({.library_attention = false});
  const GpuReport report = gpu_report(DType::float32);
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_THAT(report.line, HasSubstr("attention by built-in kernels (cuDNN computes 16-bit types, "
                                     "parameters are float32)"));
}

}  // namespace
}  // namespace ripieno
