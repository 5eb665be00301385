// Replayed steps compared with the same steps without a graph, which must be bitwise identical.
#include "ripieno/training/step_graph.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "ripieno/core/models/mlp.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"
#include "support/gpu_test.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using distributed::DataParallel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;
using Mode = StepGraphOptions::Mode;

// ---- Whole runs

struct Case {
  std::string name;
  std::function<void(TinyRun&)> change;
};

class ReplayedRun : public testing::GpuTest, public ::testing::WithParamInterface<Case> {
 protected:
  // Saves after steps 4, 8 and 10, and validates after 5 and 10; small, because the emulated GPU is
  // slow.
  TinyRun tiny(const std::string& name) const {
    TinyRun run{.directory = directory_ / name,
                .options = {.steps = 10, .checkpoint_every = 4, .evaluate_every = 5},
                .batch_size = 2,
                .text = tiny_text().substr(0, 180),
                .device = "cuda"};
    GetParam().change(run);
    return run;
  }
  TinyRun replayed(const std::string& name) {
    TinyRun run = tiny(name);
    run.graph = {.mode = Mode::on,
                 .remark = [this](const auto& line) { remarks_.push_back(line); }};
    return run;
  }
  TemporaryDirectory directory_;
  std::vector<std::string> remarks_;
};

// Names, shapes and checksums of all tensors, and the state of the run.
nlohmann::json saved_by(const TinyRun& run) {
  std::ifstream file(run.directory + "/checkpoints/step_00000010/manifest.json");
  auto manifest = nlohmann::json::parse(file);
  manifest.at("training_state").erase("matmul_algorithms");  // with measured times
  return {manifest.at("tensors"), manifest.at("training_state")};
}

void expect_same_results(const TinyRun& a, const TinyRun& b) {
  EXPECT_EQ(a.losses(), b.losses());
  EXPECT_EQ(a.losses().size(), 10u);
  EXPECT_EQ(a.validation_losses(), b.validation_losses());
  EXPECT_EQ(a.values(io::metric::kGradientNorm), b.values(io::metric::kGradientNorm));
  EXPECT_EQ(a.loss_scales(), b.loss_scales());
  EXPECT_EQ(a.skipped_steps(), b.skipped_steps());
  EXPECT_EQ(saved_by(a), saved_by(b));
}

TEST_P(ReplayedRun, HasTheSameLossesAndCheckpointsAsWithoutAGraph) {
  const auto plain = tiny("plain"), replayed = this->replayed("replayed");
  plain.train_on(1);
  replayed.train_on(1);
  expect_same_results(replayed, plain);
  EXPECT_THAT(remarks_, IsEmpty());
}

TEST_P(ReplayedRun, ContinuesWithTheSameBitsAfterAResume) {
  const auto plain = tiny("plain");
  plain.train_on(1);
  auto parts = replayed("parts");
  for (const int64_t steps : {6, 10}) {
    parts.options.steps = steps;
    parts.train_on(1);
  }
  EXPECT_EQ(parts.losses(), plain.losses());
  EXPECT_EQ(saved_by(parts)[0], saved_by(plain)[0]);
}

INSTANTIATE_TEST_SUITE_P(
    Gpu, ReplayedRun,
    ::testing::Values(Case{"Plain", [](TinyRun& run) { run.dropout = 0.0; }},
                      Case{"WithDropout", [](TinyRun&) {}},
                      Case{"WithASchedule",
                           [](TinyRun& run) {
                             run.options.schedule =
                                 optim::Schedule{.kind = optim::Schedule::Kind::cosine,
                                                 .warmup_steps = 3,
                                                 .steps = 12};
                           }},
                      Case{"Clipped", [](TinyRun& run) { run.max_gradient_norm = 0.1; }},
                      Case{"InMicroBatches",
                           [](TinyRun& run) { run.parallel_options.micro_batch_size = 1; }},
                      Case{"WithAnAverage", [](TinyRun& run) { run.average_decay = 0.9; }},
                      Case{"WithAdafactor", [](TinyRun& run) { run.optimizer_kind = "adafactor"; }},
                      Case{"WithLamb", [](TinyRun& run) { run.optimizer_kind = "lamb"; }},
                      Case{"WithLion", [](TinyRun& run) { run.optimizer_kind = "lion"; }},
                      Case{"WithMuon", [](TinyRun& run) { run.optimizer_kind = "muon"; }},
                      Case{"WithRmsProp", [](TinyRun& run) { run.optimizer_kind = "rms_prop"; }},
                      Case{"Bfloat16", [](TinyRun& run) { run.precision = DType::bfloat16; }},
                      Case{"Float16", [](TinyRun& run) { run.precision = DType::float16; }}),
    [](const auto& of) { return of.param.name; });

// ---- Loops of their own

// An MLP on a GPU, trained on batches of random numbers.
class StepGraphTest : public testing::GpuTest {
 protected:
  void SetUp() override {
    testing::GpuTest::SetUp();
    if (IsSkipped()) return;
    model_.to(kGpu);
    optimizer_ = std::make_unique<optim::Sgd>(
        model_.parameters(), optim::SgdOptions{.learning_rate = 0.1, .momentum = 0.9});
  }
  DataParallel& parallel() {
    if (!parallel_) parallel_ = std::make_unique<DataParallel>(model_, *optimizer_, *alone_);
    return *parallel_;
  }
  StepGraph graph(Mode mode = Mode::automatic) {
    return StepGraph(parallel(), {.mode = mode, .remark = [this](const auto& line) {
                                    remarks_.push_back(line);
                                  }});
  }
  static io::Batch batch(int64_t rows) {
    const ScopedRandomContext same;
    Tensor x({rows, 3}), y({rows});
    fill_uniform(x, -1.0, 1.0, {.seed = static_cast<uint64_t>(rows)});
    return {x.to(kGpu), Tensor::full({rows}, 1, DType::int32, kGpu)};
  }
  // Takes one step; returns its loss.
  double step(StepGraph& graph, int64_t rows = 4) {
    graph.run(batch(rows), [&](const io::Batch& given) { train(given); });
    return parallel().loss().mean();
  }
  void train(const io::Batch& given) {
    if (in_step_) in_step_();
    ++calls_;
    parallel().backward(model_.loss(given.inputs, given.targets));
    parallel().step();
  }
  // The losses of the same steps without a graph.
  std::vector<double> expected(const std::vector<int64_t>& rows) {
    nn::Mlp model({3, 5, 2});
    model.to(kGpu);
    optim::Sgd optimizer(model.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
    DataParallel plain(model, optimizer, *alone_);
    std::vector<double> losses;
    for (const int64_t count : rows) {
      const auto given = batch(count);
      plain.backward(model.loss(given.inputs, given.targets));
      plain.step();
      losses.push_back(plain.loss().mean());
    }
    return losses;
  }

  static inline const Device kGpu = Device::cuda();
  nn::Mlp model_{std::vector<int64_t>{3, 5, 2}};
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<distributed::Communicator> alone_ = distributed::alone();
  std::unique_ptr<DataParallel> parallel_;
  std::function<void()> in_step_;
  int calls_ = 0;
  std::vector<std::string> remarks_;
};

TEST_F(StepGraphTest, RecordsTheFourthStepAndDoesNotCallLaterOnes) {
  auto graph = this->graph(Mode::on);
  std::vector<int> calls;
  for (int i = 0; i < 6; ++i) {
    step(graph);
    calls.push_back(calls_);
  }
  EXPECT_THAT(calls, ElementsAre(1, 2, 3, 4, 4, 4));
  EXPECT_EQ(parallel().replayed_steps(), 2);
  EXPECT_GT(graph.operations(), 10);
  EXPECT_EQ(optimizer_->steps_taken(), 6);
}

TEST_F(StepGraphTest, AStepOfAnotherShapeRunsAsUsual) {
  const std::vector<int64_t> rows = {4, 4, 4, 4, 7, 4, 4, 7, 4};
  auto graph = this->graph(Mode::on);
  std::vector<double> losses;
  for (const int64_t count : rows) losses.push_back(step(graph, count));
  EXPECT_EQ(losses, expected(rows));
  EXPECT_EQ(parallel().replayed_steps(), 3);
  EXPECT_THAT(remarks_, IsEmpty());
}

TEST_F(StepGraphTest, AShapeThatStaysIsRecordedAnew) {
  const std::vector<int64_t> rows = {4, 4, 4, 4, 4, 7, 7, 7, 7, 7};
  auto graph = this->graph(Mode::on);
  std::vector<double> losses;
  for (const int64_t count : rows) losses.push_back(step(graph, count));
  EXPECT_EQ(losses, expected(rows));
  EXPECT_EQ(parallel().replayed_steps(), 3);
}

TEST_F(StepGraphTest, AShapeThatKeepsChangingIsRemarkedOnce) {
  auto graph = this->graph();
  for (int64_t rows = 1; rows <= 8; ++rows) step(graph, rows);
  EXPECT_EQ(parallel().replayed_steps(), 0);
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("the shape of the batch keeps changing")));
}

TEST_F(StepGraphTest, AFrozenParameterIsNotTrainedByAReplay) {
  auto graph = this->graph(Mode::on);
  for (int i = 0; i < 5; ++i) step(graph);
  const Tensor weight = model_.parameters().tensors()[0];
  model_.freeze(model_.parameters().layout().entries()[0].name);
  const auto before = weight.to_vector<float>();
  for (int i = 0; i < 4; ++i) step(graph);
  EXPECT_EQ(weight.to_vector<float>(), before);
  EXPECT_EQ(parallel().replayed_steps(), 2);
  model_.thaw();
  step(graph);
  EXPECT_NE(weight.to_vector<float>(), before);
}

TEST_F(StepGraphTest, MemoryOfTheGraphIsNotGivenToOthers) {
  auto graph = this->graph(Mode::on);
  std::vector<double> losses;
  std::vector<Tensor> others;
  for (int i = 0; i < 8; ++i) {
    losses.push_back(step(graph));
    for (int64_t size = 1; size < 40; ++size)
      others.push_back(Tensor::full({size}, 5.0, DType::float32, kGpu));
  }
  EXPECT_EQ(losses, expected(std::vector<int64_t>(8, 4)));
  for (const Tensor& other : others) EXPECT_EQ(sum(other).item(), 5.0 * other.elements());
}

TEST_F(StepGraphTest, AStepMayKeepATensorUntilTheNextOne) {
  auto graph = this->graph(Mode::on);
  Tensor kept;
  const auto given = batch(4);
  const auto step_that_keeps = [&](const io::Batch& rows) {
    const Loss loss = model_.loss(rows.inputs, rows.targets);
    parallel().backward(loss);
    parallel().step();
    kept = loss.sum.detach() / loss.count;
  };
  std::vector<double> losses;
  for (int i = 0; i < 7; ++i) {
    graph.run(given, step_that_keeps);
    losses.push_back(parallel().loss().mean());
    EXPECT_NEAR(kept.item(), losses.back(), 1e-6) << "a replay updates it";
  }
  EXPECT_EQ(losses, expected(std::vector<int64_t>(7, 4)));
  EXPECT_EQ(parallel().replayed_steps(), 3);
}

TEST_F(StepGraphTest, IsRecordedAnewWhenItsMemoryWasReleased) {
  auto graph = this->graph(Mode::on);
  std::vector<double> losses;
  for (int i = 0; i < 10; ++i) {
    if (i == 6) trim_pools(kGpu);
    losses.push_back(step(graph));
  }
  EXPECT_EQ(losses, expected(std::vector<int64_t>(10, 4)));
  EXPECT_EQ(parallel().replayed_steps(), 3);
}

TEST_F(StepGraphTest, AnotherThreadDoesNotReleaseItsMemoryWhileItIsRecorded) {
  auto graph = this->graph(Mode::on);
  std::vector<double> losses;
  for (int i = 0; i < 6; ++i) {
    in_step_ = {};
    if (i == 3) in_step_ = [] { std::thread([] { trim_pools(kGpu); }).join(); };
    losses.push_back(step(graph));
  }
  EXPECT_EQ(losses, expected(std::vector<int64_t>(6, 4)));
  EXPECT_EQ(parallel().replayed_steps(), 2);
}

TEST_F(StepGraphTest, ALearningRateThatChangesIsUsedByAReplay) {
  auto graph = this->graph(Mode::on);
  for (int i = 0; i < 5; ++i) step(graph);
  optimizer_->set_learning_rate(0.0);
  const auto before = model_.parameters().values().flat().to_vector<float>();
  step(graph);
  EXPECT_EQ(parallel().replayed_steps(), 2);
  EXPECT_EQ(model_.parameters().values().flat().to_vector<float>(), before);
}

// ---- Steps that cannot be recorded

TEST_F(StepGraphTest, AStepThatReadsAValueOnTheHostRunsAsUsualWithOneRemark) {
  in_step_ = [&] { sum(model_.parameters().tensors()[0]).item(); };
  auto graph = this->graph();
  std::vector<double> losses;
  for (int i = 0; i < 12; ++i) losses.push_back(step(graph));
  EXPECT_EQ(losses, expected(std::vector<int64_t>(12, 4)));
  EXPECT_EQ(parallel().replayed_steps(), 0);
  EXPECT_EQ(optimizer_->steps_taken(), 12);
  EXPECT_THAT(remarks_,
              ElementsAre(HasSubstr("train.graph: steps run without a CUDA graph: copy of 4 "
                                    "bytes from or to host memory")));
}

// Each is an error if the mode is on.
TEST_F(StepGraphTest, AStepMustNotUseTheHostWhileItIsRecorded) {
  struct Bad {
    std::function<void()> use;
    std::string why;
  };
  Tensor noise({3}, DType::float32, kGpu);
  const std::vector<Bad> all = {
      {[&] { sum(noise).item(); }, "host memory"},
      {[&] { Tensor::full({3}, 1.0).to(kGpu); }, "host memory"},
      {[&] { current_stream(kGpu).synchronize(); }, "cudaStreamSynchronize"},
      {[&] { Tensor({int64_t{1} << 20}, DType::float32, kGpu); }, "cudaMalloc"},
      {[&] { fill_normal(noise, 0.0, 1.0, {.seed = 1}); }, "fill_normal uses a value on the host"},
      {[&] { optimizer_->learning_rate(); }, "optimizer.learning_rate() uses a value"},
      {[&] { optimizer_->steps_taken(); }, "optimizer.steps_taken() uses a value"}};
  for (const Bad& bad : all) {
    auto graph = this->graph(Mode::on);
    in_step_ = {};
    for (int i = 0; i < 3; ++i) step(graph);
    in_step_ = bad.use;
    EXPECT_THAT([&] { step(graph); },
                ThrowsMessage<ConfigurationError>(::testing::AllOf(
                    HasSubstr("train.graph=on, but the step cannot be recorded as a CUDA graph: "),
                    HasSubstr(bad.why), HasSubstr("set train.graph=auto"))))
        << bad.why;
    parallel_.reset();
  }
}

TEST_F(StepGraphTest, AnExceptionOfTheStepIsThrown) {
  auto graph = this->graph();
  for (int i = 0; i < 3; ++i) step(graph);
  in_step_ = [] { throw DataError("bad row"); };
  EXPECT_THAT([&] { step(graph); }, ThrowsMessage<DataError>("bad row"));
  in_step_ = {};
  for (int i = 0; i < 5; ++i) step(graph);
  EXPECT_GT(parallel().replayed_steps(), 0);
}

TEST_F(StepGraphTest, AStepWithoutAnOptimizerStepIsAnError) {
  auto graph = this->graph();
  for (int i = 0; i < 3; ++i) step(graph);
  EXPECT_THAT([&] { graph.run(batch(4), [](const io::Batch&) {}); },
              ThrowsMessage<Error>(HasSubstr("did not call backward() and step()")));
}

TEST_F(StepGraphTest, AGradientHookRunsInEachStep) {
  int hooks = 0;
  Tensor(model_.parameters().tensors()[0]).on_gradient([&] { ++hooks; });
  auto graph = this->graph();
  for (int i = 0; i < 5; ++i) step(graph);
  EXPECT_EQ(hooks, 5);
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("a hook (on_gradient) of ")));
}

TEST_F(StepGraphTest, AGradientHookThatIsAddedLaterRunsInEachStep) {
  auto graph = this->graph();
  for (int i = 0; i < 5; ++i) step(graph);
  int hooks = 0;
  Tensor(model_.parameters().tensors()[0]).on_gradient([&] { ++hooks; });
  for (int i = 0; i < 5; ++i) step(graph);
  EXPECT_EQ(hooks, 5);
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("a hook (on_gradient) of ")));
}

TEST_F(StepGraphTest, AStrategyThatNeedsTheHostIsNamed) {
  const std::pair<distributed::DataParallelOptions, const char*> cases[] = {
      {{.slots = 2}, "parallel.strict: several threads compute its slots"},
      {{.diloco = {.steps = 2}},
       "parallel.diloco_steps: some steps are followed by an outer step"}};
  for (const auto& [options, why] : cases) {
    remarks_.clear();
    parallel_ = std::make_unique<DataParallel>(model_, *optimizer_, *alone_, options);
    graph();
    EXPECT_THAT(remarks_, ElementsAre(HasSubstr(why)));
    EXPECT_THAT([&] { graph(Mode::on); }, ThrowsMessage<ConfigurationError>(HasSubstr(why)));
  }
}

TEST_F(StepGraphTest, IsOffWithoutARemarkIfItIsDisabled) {
  auto graph = this->graph(Mode::off);
  for (int i = 0; i < 5; ++i) step(graph);
  EXPECT_EQ(calls_, 5);
  EXPECT_THAT(remarks_, IsEmpty());
}

// ---- The CPU, and several ranks

TEST(StepGraph, OnTheCpuIsOffWithoutARemark) {
  nn::Mlp model({3, 2});
  optim::Sgd optimizer(model.parameters());
  const auto alone = distributed::alone();
  DataParallel parallel(model, optimizer, *alone);
  std::vector<std::string> remarks;
  const auto keep = [&](const std::string& line) { remarks.push_back(line); };
  StepGraph graph(parallel, {.mode = Mode::automatic, .remark = keep});
  int calls = 0;
  for (int i = 0; i < 5; ++i) {
    graph.run({Tensor::zeros({2, 3}), Tensor::zeros({2}, DType::int32)},
              [&](const io::Batch& batch) {
                ++calls;
                parallel.backward(model.loss(batch.inputs, batch.targets));
                parallel.step();
              });
  }
  EXPECT_EQ(calls, 5);
  EXPECT_THAT(remarks, IsEmpty());
  EXPECT_THAT([&] { StepGraph(parallel, {.mode = Mode::on}); },
              ThrowsMessage<ConfigurationError>(HasSubstr("it runs on the CPU")));
}

TEST_F(StepGraphTest, RanksThatCommunicateThroughHostMemoryRunAsUsualWithOneRemark) {
  std::vector<std::string> remarks;
  auto group = distributed::in_process(2);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      nn::Mlp model({3, 2});
      model.to(kGpu);
      optim::Sgd optimizer(model.parameters());
      DataParallel parallel(model, optimizer, *group[rank]);
      StepGraph graph(parallel, {.remark = [&](const auto& line) {
                        if (rank == 0) remarks.push_back(line);
                      }});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(remarks, ElementsAre(HasSubstr("the ranks communicate through host memory")));
}

}  // namespace
}  // namespace ripieno
