// Tests how algorithms are chosen and cached, with a scripted library and clock.
#include "ripieno/kernels/cuda/products/products.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "io/files/temporary_directory.h"
#include "kernels/cuda/products/scripted_library.h"
#include "ripieno/kernels/cuda/runtime/cache_files.h"
#include "ripieno/kernels/cuda/runtime/recording.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::testing {
namespace {

using namespace kernels::cuda;

ProductProblem problem_of(int64_t rows, Epilogue epilogue = Epilogue::kNone) {
  const kernels::MatmulShape shape{.m = rows, .n = 8, .k = 4, .lda = 4, .ldb = 8, .ldc = 8};
  return {.matrices = column_major(shape), .epilogue = epilogue};
}

// One process that computes products on one device. Its cache is in the test's folder.
struct Process {
  explicit Process(Script& given) : script(given) {
    choices.on_remark([this](std::string_view line) { remarks.emplace_back(line); });
  }

  // Returns the algorithm that computed the product.
  uint64_t run(const ProductProblem& problem) {
    const auto in_steps = [&](Products& self, kernels::OnCuda on, const Operands& operands) {
      self.multiply(on, without_epilogue(problem), operands);
      script.clock += seconds_to_finish;
    };
    const bool plain = problem.epilogue == Epilogue::kNone;
    products.multiply({}, problem, {}, plain ? InSteps() : in_steps);
    return script.runs.back();
  }

  Script& script;
  double seconds_to_finish = 0;
  std::vector<std::string> remarks;
  AlgorithmChoices choices;
  Products products{std::make_unique<ScriptedLibrary>(script), choices};
};

class AlgorithmChoice : public ::testing::Test {
 protected:
  AlgorithmChoice() { setenv("RIPIENO_CACHE_DIR", folder.c_str(), 1); }
  ~AlgorithmChoice() override {
    kernels::set_numerics({});
    unsetenv("RIPIENO_CACHE_DIR");
  }

  std::filesystem::path file() const { return file_of(script.identity); }
  std::string content() const {
    std::ostringstream text;
    text << std::ifstream(file()).rdbuf();
    return text.str();
  }
  // Runs another process first, which leaves its cache file.
  void measure_before(const ProductProblem& problem) { Process(script).run(problem); }

  io::TemporaryDirectory temporary;
  const std::filesystem::path folder = temporary.path();
  Script script;
};

std::string error_of(Process& process, const ProductProblem& problem) {
  try {
    process.run(problem);
  } catch (const CudaError& error) {
    return error.what();
  }
  return "";
}

TEST_F(AlgorithmChoice, IsTheFastestAndIsMeasuredOnce) {
  script.seconds = {{1, 3.0}, {2, 2.0}, {3, 4.0}};
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 2u);
  const std::size_t runs = script.runs.size();
  EXPECT_EQ(process.run(problem_of(16)), 2u);
  EXPECT_EQ(script.runs.size(), runs + 1);
  EXPECT_EQ(script.trials, 1);
}

TEST_F(AlgorithmChoice, IsNotMeasuredWhileAStepIsRecorded) {
  script.seconds = {{1, 3.0}, {2, 2.0}, {3, 4.0}};
  Process process(script);
  CUstream_st* const stream = create_stream("a stream");
  begin_recording(stream);
  EXPECT_EQ(process.run(problem_of(16)), 1u);
  discard_recording(stream);
  EXPECT_EQ(script.trials, 0);
  EXPECT_EQ(process.run(problem_of(16)), 2u) << "the next step measures it";
  destroy_stream(stream);
}

TEST_F(AlgorithmChoice, AmongEqualsIsTheFirstCandidate) {
  script.seconds = {{1, 2.0}, {2, 2.0}, {3, 2.0}};
  EXPECT_EQ(Process(script).run(problem_of(16)), 1u);
}

TEST_F(AlgorithmChoice, SkipsOneThatFails) {
  script.seconds = {{1, 3.0}, {2, 2.0}, {3, 4.0}};
  script.failing = {2};
  EXPECT_EQ(Process(script).run(problem_of(16)), 1u);
}

TEST_F(AlgorithmChoice, IsNotOneThatIsWrongHoweverFast) {
  script.seconds = {{1, 3.0}, {2, 0.1}, {3, 4.0}, {11, 0.1}, {12, 0.2}};
  script.wrong = {2, 11};
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 1u);
  EXPECT_EQ(process.run(problem_of(16, Epilogue::kBias)), 12u);
  EXPECT_EQ(
      process.remarks,
      (std::vector<std::string>{
          "matmul (16, 4) x (4, 8), float32: algorithm 2 of 3 is wrong in 2 of 16 columns and "
          "is not used",
          "matmul (16, 4) x (4, 8), float32, bias: algorithm 1 of 2 is wrong in 3 of 128 "
          "elements and is not used"}));
}

TEST_F(AlgorithmChoice, IsToRunInStepsIfAllFusedOnesAreWrong) {
  script.wrong = {11, 12};
  Process process(script);
  process.seconds_to_finish = 100;
  EXPECT_EQ(process.run(problem_of(16, Epilogue::kBias)), 1u);
  EXPECT_EQ(process.remarks.size(), 2u);
}

TEST_F(AlgorithmChoice, IsTheFirstAndReportedIfAllPlainOnesAreWrong) {
  script.wrong = {1, 2, 3};
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 1u);
  ASSERT_EQ(process.remarks.size(), 4u);
  EXPECT_EQ(process.remarks.back(),
            "matmul (16, 4) x (4, 8), float32: all algorithms disagree with built-in sums; using "
            "the library's first choice, whose results may be wrong");
  EXPECT_EQ(process.choices.text(), "") << "a wrong algorithm was kept";
}

TEST_F(AlgorithmChoice, DependsOnTheWorkspaceThatIsAllowed) {
  script.seconds = {{1, 3.0}, {2, 2.0}, {3, 4.0}};
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 2u);
  kernels::set_numerics({.large_workspace = false});
  script.seconds = {};
  EXPECT_EQ(process.run(problem_of(16)), 1u);
  EXPECT_EQ(script.workspaces, (std::vector<std::size_t>{std::size_t{128} << 20, 32u << 20}));
  kernels::set_numerics({});
  EXPECT_EQ(process.run(problem_of(16)), 2u);
}

TEST(Workspace, IsLargerOnDevicesOf80GigabytesOrMore) {
  EXPECT_EQ(workspace_bytes_for(std::size_t{24} << 30), 32u << 20);
  EXPECT_EQ(workspace_bytes_for(std::size_t{79} << 30), 128u << 20);  // an "80 GB" device
}

TEST(Alignment, AboveWhatTheLibraryRequiresIsTheSame) {
  const auto key_at = [](std::uintptr_t address) {
    return key_of(aligned_as(problem_of(16), {.left = reinterpret_cast<void*>(address)}));
  };
  EXPECT_EQ(key_at(4096), key_at(4096 + 16));
  EXPECT_NE(key_at(4096), key_at(4096 + 8));
}

TEST_F(AlgorithmChoice, NamesTheProductIfAllFail) {
  script.failing = {1, 2, 3};
  Process process(script);
  EXPECT_EQ(
      error_of(process, problem_of(16)),
      "matmul (16, 4) x (4, 8), float32: the library has no algorithm for this product; the last "
      "candidate failed: algorithm 3 failed");
}

TEST_F(AlgorithmChoice, NamesTheProductIfThereIsNone) {
  script.offered = {};
  Process process(script);
  EXPECT_EQ(error_of(process, problem_of(16)),
            "matmul (16, 4) x (4, 8), float32: the library has no algorithm for this product");
}

TEST_F(AlgorithmChoice, RunsInStepsIfThatIsFaster) {
  script.seconds = {{11, 5.0}, {12, 4.0}, {2, 0.5}};
  Process process(script);
  process.seconds_to_finish = 3.0;
  EXPECT_EQ(process.run(problem_of(16, Epilogue::kBias)), 2u);
  process.seconds_to_finish = 4.0;
  EXPECT_EQ(process.run(problem_of(32, Epilogue::kBias)), 12u);
}

TEST_F(AlgorithmChoice, RunsInStepsIfTheLibraryHasNoEpilogue) {
  script.offered_fused = {};
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16, Epilogue::kBias)), 1u);
  EXPECT_EQ(script.runs.back(), 1u);
  EXPECT_EQ(script.clock, static_cast<double>(script.runs.size()));
}

TEST_F(AlgorithmChoice, RunsInStepsIfFusedEpiloguesAreDisabled) {
  measure_before(problem_of(16, Epilogue::kBias));
  kernels::set_numerics({.fused_epilogues = false});
  EXPECT_EQ(Process(script).run(problem_of(16, Epilogue::kBias)), 1u);
  kernels::set_numerics({});
  EXPECT_EQ(Process(script).run(problem_of(16, Epilogue::kBias)), 11u);
}

TEST_F(AlgorithmChoice, IsTheFirstCandidateUntilMeasuringIsAllowed) {
  script.seconds = {{1, 3.0}, {2, 2.0}};
  Process process(script);
  kernels::set_numerics({.algorithms = kernels::ProductAlgorithms::known});
  EXPECT_EQ(process.run(problem_of(16)), 1u);
  EXPECT_EQ(script.trials, 0);
  EXPECT_EQ(process.choices.text(), "");
  kernels::set_numerics({});
  EXPECT_EQ(process.run(problem_of(16)), 3u);
}

TEST_F(AlgorithmChoice, IsTheFirstCandidateWithoutMemoryToMeasure) {
  script.has_memory_for_trials = false;
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 1u);
  process.run(problem_of(16));
  ASSERT_EQ(process.remarks.size(), 1u);
  EXPECT_EQ(process.remarks[0],
            "matmul (16, 4) x (4, 8), float32: cannot measure its algorithms, out of memory");
}

TEST_F(AlgorithmChoice, IsLoadedByTheNextProcessWithoutMeasuring) {
  script.seconds = {{2, 0.5}, {12, 0.25}};
  measure_before(problem_of(16));
  measure_before(problem_of(16, Epilogue::kBias));
  script.heuristics = script.trials = 0;
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 2u);
  EXPECT_EQ(process.run(problem_of(16, Epilogue::kBias)), 12u);
  EXPECT_EQ(script.heuristics + script.trials, 0);
  EXPECT_TRUE(process.remarks.empty());
}

TEST_F(AlgorithmChoice, ToRunInStepsIsLoadedToo) {
  script.seconds = {{11, 9.0}, {12, 9.0}};
  measure_before(problem_of(16, Epilogue::kBias));
  script.heuristics = script.trials = 0;
  EXPECT_EQ(Process(script).run(problem_of(16, Epilogue::kBias)), 1u);
  EXPECT_EQ(script.heuristics + script.trials, 0);
}

TEST_F(AlgorithmChoice, IsMeasuredAgainIfTheLibraryRejectsIt) {
  script.seconds = {{2, 0.5}, {3, 0.75}};
  measure_before(problem_of(16));
  script.unfit = {2};
  script.offered = {1, 3};
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 3u);
  EXPECT_EQ(process.remarks.size(), 1u);
}

TEST_F(AlgorithmChoice, OfADamagedLineIsMeasuredAgain) {
  script.seconds = {{2, 0.5}};
  measure_before(problem_of(16));
  measure_before(problem_of(32));
  std::string text = content();
  text[text.find("fused") + 20] ^= 1;  // a digit of the first line's algorithm
  std::ofstream(file()) << text;
  script.trials = 0;
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 2u);
  EXPECT_EQ(process.run(problem_of(32)), 2u);
  EXPECT_EQ(script.trials, 1);
  ASSERT_EQ(process.remarks.size(), 1u);
  EXPECT_EQ(process.remarks[0], file().string() +
                                    ": 1 lines are damaged or for another device; those products "
                                    "are measured again");
}

TEST_F(AlgorithmChoice, OfAGarbageFileIsMeasuredAgain) {
  std::ofstream(file()) << "device " << script.identity
                        << "\n\n\xff rubbish\n0123456789abcdef fused";
  Process process(script);
  process.run(problem_of(16));
  EXPECT_EQ(script.trials, 1);
  EXPECT_EQ(process.remarks.size(), 1u);
}

TEST_F(AlgorithmChoice, OfAnotherDeviceOrVersionIsNotUsed) {
  measure_before(problem_of(16));
  const auto of_the_first = file();
  script.identity = "device B";
  std::filesystem::copy(of_the_first, file());
  script.trials = 0;
  Process process(script);
  process.run(problem_of(16));
  EXPECT_EQ(script.trials, 1);
  EXPECT_EQ(process.remarks.size(), 1u);
}

TEST_F(AlgorithmChoice, WorksWithoutAWritableFile) {
  setenv("RIPIENO_CACHE_DIR", "/dev/null/folder", 1);
  Process process(script);
  EXPECT_EQ(process.run(problem_of(16)), 1u);
  EXPECT_EQ(process.run(problem_of(32)), 1u);
  EXPECT_EQ(process.remarks.size(), 1u);
}

TEST_F(AlgorithmChoice, OfConcurrentProcessesIsKeptForBoth) {
  Process first(script), second(script);
  first.run(problem_of(16));
  second.run(problem_of(32));
  first.run(problem_of(64));
  EXPECT_EQ(choices_in(content()).choices.size(), 3u);
}

TEST_F(AlgorithmChoice, ThatIsGivenTakesPrecedenceOverMeasurements) {
  Process first(script);
  script.seconds = {{3, 0.5}};
  first.run(problem_of(16));
  Process second(script);
  script.seconds = {{2, 0.25}};
  std::filesystem::remove(file());
  EXPECT_EQ(second.run(problem_of(16)), 2u);
  EXPECT_EQ(second.choices.take(first.choices.text()), 1);
  EXPECT_EQ(second.run(problem_of(16)), 3u);
  EXPECT_EQ(second.choices.text(), first.choices.text());
}

// Times are random, so that measuring again often chooses another algorithm.
TEST_F(AlgorithmChoice, OfARunIsTheOneOfItsCheckpointAfterResuming) {
  std::mt19937 random(1);
  const auto time_anew = [&] {
    for (const uint64_t algorithm : script.offered) script.seconds[algorithm] = 1.0 + random() % 7;
    std::filesystem::remove(file());
  };
  const auto run = [&](Process& process) {
    std::vector<uint64_t> algorithms;
    for (int64_t rows = 16; rows <= 64; rows += 16) {
      time_anew();
      algorithms.push_back(process.run(problem_of(rows)));
    }
    return algorithms;
  };
  int different = 0;
  for (int i = 0; i < 20; ++i) {
    Process whole(script), resumed(script), again(script), anew(script);
    const auto expected = run(whole);
    resumed.choices.take(whole.choices.text());
    // Saved before it has computed anything, and then resumed again.
    again.choices.take(resumed.choices.text());
    EXPECT_EQ(run(resumed), expected);
    EXPECT_EQ(run(again), expected);
    different += run(anew) != expected;
  }
  EXPECT_GT(different, 10) << "otherwise the random clock tests nothing";
}

TEST_F(AlgorithmChoice, ThatIsGivenAndDoesNotFitIsNotKept) {
  Process first(script), second(script);
  script.seconds = {{3, 0.5}};
  first.run(problem_of(16));
  std::filesystem::remove(file());
  script.unfit = {3};
  script.seconds = {{2, 0.25}};
  second.choices.take(first.choices.text());
  EXPECT_EQ(second.run(problem_of(16)), 2u);
  EXPECT_EQ(choices_in(second.choices.text()).choices.begin()->second.algorithm.words[0], 2u);
}

TEST_F(AlgorithmChoice, GivenForAnotherDeviceIsReportedAndNotUsed) {
  Process first(script);
  first.run(problem_of(16));
  script.identity = "device B";
  Process second(script);
  second.choices.take(first.choices.text());
  script.trials = 0;
  second.run(problem_of(16));
  EXPECT_EQ(script.trials, 1);
  ASSERT_EQ(second.remarks.size(), 1u);
  EXPECT_EQ(second.remarks[0],
            "the given matrix product algorithms are for device A, this device is device B; its "
            "products are measured");
}

TEST_F(AlgorithmChoice, IsTheHeuristicInGuessedModeUnlessOneIsGiven) {
  script.seconds = {{2, 0.5}};
  Process first(script);
  EXPECT_EQ(first.run(problem_of(16)), 2u);
  kernels::set_numerics({.algorithms = kernels::ProductAlgorithms::guessed});
  script.trials = 0;
  Process second(script);
  EXPECT_EQ(second.run(problem_of(16)), 1u);
  EXPECT_EQ(second.run(problem_of(16, Epilogue::kBias)), 11u);
  EXPECT_EQ(script.trials, 0);
  second.choices.take(first.choices.text());
  EXPECT_EQ(second.run(problem_of(16)), 2u);
}

TEST_F(AlgorithmChoice, IsMeasuredOnceByConcurrentThreads) {
  Process process(script);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) process.products.multiply({}, problem_of(16 + j % 2), {});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(script.trials, 2);
}

TEST_F(AlgorithmChoice, DiffersForEveryPropertyOfAProblem) {
  ProductProblem one = problem_of(16);
  std::vector<ProductProblem> others(8, one);
  others[0].accumulate = true;
  others[1].types.tf32 = true;
  others[2].types.result = ElementType::kFloat64;
  others[3].epilogue = Epilogue::kBias;
  others[4].alignments.left = 4;
  others[5].matrices.left.transposed = true;
  others[6].matrices.batch = 2;
  others[7].workspace_bytes = 32 << 20;
  std::set<std::string> keys = {key_of(one)};
  for (const auto& other : others) keys.insert(key_of(other));
  EXPECT_EQ(keys.size(), 9u);
}

TEST(Fusing, OfGeluRequiresAlignmentAndReducedPrecision) {
  ProductProblem problem = problem_of(16, Epilogue::kGeluBiasKept);
  problem.types = {ElementType::kBFloat16, ElementType::kBFloat16};
  problem.alignments.before_activation = 16;
  EXPECT_TRUE(may_be_fused(problem));
  problem.alignments.before_activation = 8;
  EXPECT_FALSE(may_be_fused(problem));
  problem.alignments.before_activation = 256;
  problem.matrices.result.leading = 12;
  EXPECT_FALSE(may_be_fused(problem));
  problem.matrices.result.leading = 16;
  problem.types = {ElementType::kFloat32, ElementType::kFloat32};
  EXPECT_FALSE(may_be_fused(problem));
  problem.types.tf32 = true;
  EXPECT_TRUE(may_be_fused(problem));
  problem.matrices.batch = 2;
  EXPECT_FALSE(may_be_fused(problem));
}

TEST(Numerics, AreChangedByTheEnvironment) {
  const auto set = [](const char* value) {
    for (const char* const name :
         {"RIPIENO_USE_CUDNN", "RIPIENO_MATMUL_MEASURE", "RIPIENO_MATMUL_EPILOGUES"}) {
      value ? setenv(name, value, 1) : unsetenv(name);
    }
  };
  set("0");
  EXPECT_EQ(kernels::numerics_of_environment(),
            (kernels::Numerics{.algorithms = kernels::ProductAlgorithms::guessed,
                               .fused_epilogues = false,
                               .library_attention = false}));
  for (const char* const value : {"1", static_cast<const char*>(nullptr)}) {
    set(value);
    EXPECT_EQ(kernels::numerics_of_environment(), kernels::Numerics());
  }
}

TEST_F(AlgorithmChoice, IsStoredWhereTheEnvironmentSpecifies) {
  EXPECT_EQ(cache_folder(), folder);
  unsetenv("RIPIENO_CACHE_DIR");
  setenv("XDG_CACHE_HOME", "/caches", 1);
  EXPECT_EQ(cache_folder(), "/caches/ripieno");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/people/someone", 1);
  EXPECT_EQ(cache_folder(), "/people/someone/.cache/ripieno");
}

}  // namespace
}  // namespace ripieno::testing
