// Tests the handling of cuDNN's plans, with a fake cuDNN that records calls.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "kernels/cuda/cudnn/fake_cudnn.h"
#include "ripieno/kernels/cuda/cudnn/cudnn_plans.h"

namespace ripieno::testing {
namespace {

using kernels::AttentionShape;
using kernels::cuda::AttentionPass;
using kernels::cuda::AttentionPlan;
using kernels::cuda::CudnnPlans;
using kernels::cuda::ElementType;
using kernels::cuda::PlanFiles;

AttentionShape packed(int64_t batch, int64_t time, int64_t heads, int64_t head_size) {
  const int64_t row = 3 * heads * head_size;
  return {.batch = batch,
          .time = time,
          .heads = heads,
          .head_size = head_size,
          .qkv_batch_stride = time * row,
          .qkv_time_stride = row};
}

class CudnnPlansTest : public ::testing::Test {
 protected:
  AttentionPlan* forward(const AttentionShape& shape, ElementType type = ElementType::kBFloat16) {
    return plans_.plan(AttentionPass::kForward, shape, type);
  }
  AttentionPlan* backward(const AttentionShape& shape) {
    return plans_.plan(AttentionPass::kBackward, shape, ElementType::kBFloat16);
  }

  // Distinct addresses for the tensors of a pass; they are never accessed.
  template <std::size_t size>
  static std::array<void*, size> addresses() {
    std::array<void*, size> all;
    for (std::size_t i = 0; i < size; ++i) all[i] = address((i + 1) << 32);
    return all;
  }
  static void* address(std::uint64_t value) { return reinterpret_cast<void*>(value); }

  FakeCudnn fake_;
  const kernels::cuda::CudnnFunctions functions_ = fake_.functions();
  std::vector<std::string> remarks_;
  CudnnPlans plans_{
      functions_, {{}, {}}, [this](const std::string& line) { remarks_.push_back(line); }};
};

TEST_F(CudnnPlansTest, AreCreatedOnce) {
  AttentionPlan* const first = forward(packed(2, 32, 3, 64));
  ASSERT_NE(first, nullptr);
  const auto created = fake_.created;
  EXPECT_EQ(forward(packed(2, 32, 3, 64)), first);
  EXPECT_EQ(fake_.created, created);
  EXPECT_NE(forward(packed(2, 33, 3, 64)), first);
  EXPECT_NE(forward(packed(2, 32, 3, 64), ElementType::kFloat16), first);
}

TEST_F(CudnnPlansTest, AnUnsupportedShapeIsRecordedWithItsReasonOnOneLine) {
  fake_.refused_plans = 1000;
  EXPECT_EQ(forward(packed(2, 32, 3, 64)), nullptr);
  const auto created = fake_.created;
  EXPECT_EQ(forward(packed(2, 32, 3, 64)), nullptr);
  EXPECT_EQ(fake_.created, created);
  ASSERT_EQ(plans_.refusals().size(), 1u);
  EXPECT_EQ(plans_.refusals()[0],
            "forward (batch 2, time 32, heads 3, head size 64): cuDNN: finalizing a plan: "
            "CUDNN_STATUS_NOT_SUPPORTED_SHAPE, too odd");
}

TEST_F(CudnnPlansTest, AfterARejectedProposalTheNextIsTried) {
  fake_.proposals = 3;
  fake_.refused_plans = 2;
  EXPECT_NE(forward(packed(2, 32, 3, 64)), nullptr);
  EXPECT_TRUE(plans_.refusals().empty());
}

TEST_F(CudnnPlansTest, MissingProposalsAndMissingHandlesAreReported) {
  fake_.proposals = 0;
  EXPECT_EQ(forward(packed(2, 32, 3, 64)), nullptr);
  fake_.makes_handles = false;
  CudnnPlans others(functions_, {{}, {}});
  EXPECT_EQ(others.plan(AttentionPass::kForward, packed(2, 32, 3, 64), ElementType::kFloat16),
            nullptr);
  EXPECT_NE(others.refusals().at(0).find("cudnnCreate"), std::string::npos);
}

TEST_F(CudnnPlansTest, ShapesThatCudnnExcludesAreNotTried) {
  EXPECT_EQ(forward(packed(2, 32, 3, 64), ElementType::kFloat32), nullptr);
  EXPECT_EQ(forward(packed(2, 32, 3, 12)), nullptr);
  EXPECT_EQ(forward(packed(2, 32, 3, 264)), nullptr);
  EXPECT_EQ(forward(packed(2, 1, 3, 64)), nullptr);
  EXPECT_EQ(forward(packed(0, 32, 3, 64)), nullptr);
  EXPECT_TRUE(fake_.created.empty());
}

TEST_F(CudnnPlansTest, ShapesThatCudnnExcludesAreReportedOnce) {
  for (int i = 0; i < 2; ++i) forward(packed(2, 32, 3, 12));
  EXPECT_EQ(remarks_,
            std::vector<std::string>{
                "warning: attention is computed by built-in kernels, which is slower: forward "
                "(batch 2, time 32, heads 3, head size 12): cuDNN requires a head size that is a "
                "multiple of 8, at most 256"});
  for (int i = 0; i < 2; ++i) forward(packed(2, 32, 3, 64), ElementType::kFloat32);
  EXPECT_EQ(plans_.refusals().size(), 1u) << "float32 never uses cuDNN";
}

TEST_F(CudnnPlansTest, AForwardRunsOnTheGivenStreamWithMemoryAndScalars) {
  fake_.workspace_bytes = 100;
  AttentionPlan* const plan = forward(packed(2, 32, 3, 64));
  EXPECT_EQ(plan->workspace_bytes(), 256);
  const auto memory = addresses<5>();
  auto* const stream = static_cast<CUstream_st*>(address(7));
  plan->run({stream}, memory, address(9));
  ASSERT_EQ(fake_.runs.size(), 1u);
  const FakeCudnn::Run& run = fake_.runs[0];
  EXPECT_EQ(run.stream, stream);
  EXPECT_NE(run.handle, nullptr);
  EXPECT_EQ(run.workspace, address(9));
  ASSERT_EQ(run.pointers.size(), run.numbers.size());
  ASSERT_EQ(run.pointers.size(), 7u);  // with the scale and the mask value
  EXPECT_TRUE(std::equal(memory.begin(), memory.end(), run.pointers.begin()));
  EXPECT_EQ(*static_cast<float*>(run.pointers[5]), 1.0f);
}

TEST_F(CudnnPlansTest, ABackwardPutsItsSumsAfterTheWorkspaceOfThePlan) {
  fake_.workspace_bytes = 1000;
  const AttentionShape shape = packed(2, 32, 3, 64);
  AttentionPlan* const plan = backward(shape);
  const int64_t products = 2 * 3 * 32 * 4;
  EXPECT_EQ(plan->workspace_bytes(), 1024 + products + products * 64);
  plan->run({}, addresses<9>(), address(1 << 20));
  EXPECT_EQ(fake_.runs.at(0).pointers.at(9), address((1 << 20) + 1024));
  EXPECT_EQ(fake_.runs.at(0).pointers.at(10), address((1 << 20) + 1024 + products));
}

TEST_F(CudnnPlansTest, ARepeatableBackwardProcessesTheBatchInRounds) {
  AttentionShape shape = packed(12, 4096, 2, 64);
  shape.repeatable = true;
  AttentionPlan* const plan = backward(shape);
  for (const int64_t batch : fake_.first_dimensions) EXPECT_TRUE(batch == 4 || batch == 1);
  const auto memory = addresses<9>();
  plan->run({}, memory, address(1 << 20));
  ASSERT_EQ(fake_.runs.size(), 3u);
  const auto moved = [&](int tensor) {
    return static_cast<char*>(fake_.runs[2].pointers[tensor]) - static_cast<char*>(memory[tensor]);
  };
  const int64_t out = int64_t{4096} * 2 * 64 * 2, samples = 8;
  EXPECT_EQ(moved(0), samples * 3 * out);
  EXPECT_EQ(moved(3), samples * out);
  EXPECT_EQ(moved(5), samples * 2 * 4096 * 4);
  EXPECT_EQ(moved(8), samples * 3 * out);
  EXPECT_EQ(fake_.runs[2].pointers[9], fake_.runs[0].pointers[9]);
}

TEST_F(CudnnPlansTest, APlanThatFailedIsReportedAndNeverRunAgain) {
  AttentionPlan* const plan = forward(packed(2, 32, 3, 64));
  EXPECT_TRUE(plan->run({}, addresses<5>(), nullptr));
  fake_.runs_plans = false;
  EXPECT_FALSE(plan->run({}, addresses<5>(), nullptr));
  fake_.runs_plans = true;
  EXPECT_FALSE(plan->run({}, addresses<5>(), nullptr));
  EXPECT_EQ(fake_.runs.size(), 2u) << "the one that worked and the one that failed";
  EXPECT_EQ(plans_.refusals(),
            std::vector<std::string>{
                "forward (batch 2, time 32, heads 3, head size 64): cuDNN: running a plan: "
                "CUDNN_STATUS_EXECUTION_FAILED, too odd"});
  EXPECT_EQ(remarks_, std::vector<std::string>{"warning: attention is computed by built-in "
                                               "kernels, which is slower: " +
                                               plans_.refusals()[0]});
}

TEST_F(CudnnPlansTest, RoundsDivideTheBatchAndLimitScratch) {
  EXPECT_EQ(kernels::cuda::repeatable_samples(packed(64, 1024, 12, 64)), 8);
  EXPECT_EQ(kernels::cuda::repeatable_samples(packed(4, 128, 1, 64)), 4);
  EXPECT_EQ(kernels::cuda::repeatable_samples(packed(61, 1024, 12, 64)), 1);
  EXPECT_EQ(kernels::cuda::repeatable_samples(packed(2, 65536, 16, 64)), 1);
}

TEST_F(CudnnPlansTest, DestroyAllDescriptors) {
  AttentionPlan* const plan = forward(packed(2, 32, 3, 64));
  const int kept = fake_.live_descriptors;
  EXPECT_EQ(kept, 1);  // the plan itself
  plan->run({}, addresses<5>(), nullptr);
  EXPECT_EQ(fake_.live_descriptors, kept);
}

// A temporary folder.
class Folder {
 public:
  Folder() : path_(std::filesystem::path(::testing::TempDir()) / name()) {}
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

  // Changes the last byte of the only file in it.
  void damage() const {
    const auto file = std::filesystem::directory_iterator(path_)->path();
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(-1, std::ios::end);
    stream.put('#');
  }

 private:
  static std::string name() {
    const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    return std::string("ripieno-plans-") + test->name();
  }

  std::filesystem::path path_;
};

TEST_F(CudnnPlansTest, AreLoadedByTheNextProcess) {
  const Folder folder;
  const PlanFiles files(folder.path(), "a device");
  CudnnPlans first(functions_, files), second(functions_, files);
  ASSERT_NE(first.plan(AttentionPass::kForward, packed(2, 32, 3, 64), ElementType::kFloat16),
            nullptr);
  const int tried = fake_.created[CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR];
  EXPECT_TRUE(fake_.texts.empty());
  AttentionPlan* const read =
      second.plan(AttentionPass::kForward, packed(2, 32, 3, 64), ElementType::kFloat16);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(fake_.texts, std::vector<std::string>{"a plan"});
  EXPECT_EQ(fake_.created[CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR], tried);
  read->run({}, addresses<5>(), nullptr);
  EXPECT_EQ(fake_.runs.at(0).pointers.size(), 7u);
}

TEST_F(CudnnPlansTest, ThatCudnnRejectsAreRecreated) {
  const Folder folder;
  const PlanFiles files(folder.path(), "a device");
  CudnnPlans first(functions_, files), second(functions_, files);
  first.plan(AttentionPass::kForward, packed(2, 32, 3, 64), ElementType::kFloat16);
  fake_.takes_texts = false;
  EXPECT_NE(second.plan(AttentionPass::kForward, packed(2, 32, 3, 64), ElementType::kFloat16),
            nullptr);
  EXPECT_EQ(fake_.texts.size(), 1u);
  EXPECT_TRUE(second.refusals().empty());
}

TEST(PlanFiles, ReturnWhatWasWrittenForThisDeviceAndName) {
  const Folder folder;
  const PlanFiles files(folder.path(), "a device");
  files.write("a graph\nof two lines", "plan\n\nwith lines");
  EXPECT_EQ(files.read("a graph\nof two lines"), "plan\n\nwith lines");
  EXPECT_EQ(files.read("a graph"), std::nullopt);
  EXPECT_EQ(PlanFiles(folder.path(), "another").read("a graph\nof two lines"), std::nullopt);
}

TEST(PlanFiles, ThatAreDamagedAreNotRead) {
  const Folder folder;
  const PlanFiles files(folder.path(), "a device");
  files.write("a graph", "plan");
  folder.damage();
  EXPECT_EQ(files.read("a graph"), std::nullopt);
}

TEST(PlanFiles, RenamedToAnotherPlanAreNotRead) {
  const Folder folder;
  const PlanFiles files(folder.path(), "a device");
  files.write("a graph", "plan");
  const auto file = std::filesystem::directory_iterator(folder.path())->path();
  std::filesystem::copy_file(file, folder.path() / "aside");
  std::filesystem::remove(file);
  files.write("another graph", "plan");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().filename() != "aside") {
      std::filesystem::rename(folder.path() / "aside", entry.path());
    }
  }
  EXPECT_EQ(files.read("another graph"), std::nullopt);
}

TEST(PlanFiles, IgnoreFoldersThatCannotBeWritten) {
  const PlanFiles nowhere("/proc/none", "a device"), off({}, "a device");
  for (const PlanFiles& files : {nowhere, off}) {
    files.write("a graph", "plan");
    EXPECT_EQ(files.read("a graph"), std::nullopt);
  }
}

}  // namespace
}  // namespace ripieno::testing
