// Samples that cannot be read, in a run with data.on_error=skip.
#include <gmock/gmock.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/data/batch_loader.h"
#include "ripieno/io/files/file_system.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::HasSubstr;

constexpr int64_t kBatch = 8, kContext = 16;

// 40 sequences, one of which cannot be read.
class DamagedSequences final : public io::Dataset {
 public:
  int64_t size() const override { return 40; }
  io::SampleLayout layout() const override {
    return {.inputs = {{kContext}, DType::int32}, .targets = {{kContext}, DType::int32}};
  }
  void read(int64_t index, const io::SampleRow& into) const override {
    if (index == 7) throw DataError("sequence 7 is damaged");
    for (std::size_t i = 0; i < kContext; ++i) {
      into.inputs<int32_t>()[i] = static_cast<int32_t>((index + static_cast<int64_t>(i)) % 4);
      into.targets<int32_t>()[i] = static_cast<int32_t>((index + static_cast<int64_t>(i) + 1) % 4);
    }
  }
  std::string fingerprint() const override { return "damaged"; }
};

struct Result {
  std::string messages;
  std::vector<io::StepMetrics> lines;
  nlohmann::json progress;
};

int train(Session& session, const std::string& directory, io::OnDataError on_error,
          std::FILE* messages) {
  random_context().seed = 3;
  io::BatchLoader loader(std::make_shared<DamagedSequences>(),
                         {.batch_size = kBatch, .on_error = on_error}, session);
  nn::Gpt model({.vocab = 4, .layers = 1, .heads = 2, .channels = 8, .context = kContext});
  model.to(session.device(), DType::float32);
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
  distributed::DataParallel parallel(model, optimizer, session.communicator(), {});
  RunOptions options{.steps = 10};
  options.parallel = &parallel;
  options.messages = messages;
  Run run(directory, session, model, optimizer, loader, options);
  while (const auto batch = run.next()) {
    parallel.backward(batch->inputs.size(0), [&](int64_t begin, int64_t end) {
      return model.loss(batch->inputs.slice(0, begin, end), batch->targets.slice(0, begin, end));
    });
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

Result run_on(int ranks, const std::string& directory) {
  std::FILE* messages = std::tmpfile();
  auto group = distributed::in_process(ranks);
  std::vector<std::thread> threads;
  for (auto& communicator : group) {
    threads.emplace_back([&] {
      Session session(std::move(communicator));
      EXPECT_EQ(train(session, directory, io::OnDataError::skip, messages), 0);
    });
  }
  for (auto& thread : threads) thread.join();
  Result result;
  result.messages.resize(static_cast<std::size_t>(std::ftell(messages)));
  std::rewind(messages);
  EXPECT_EQ(std::fread(result.messages.data(), 1, result.messages.size(), messages),
            result.messages.size());
  std::fclose(messages);
  const io::RunPaths paths{directory};
  result.lines = io::read_metrics(paths.metrics());
  result.progress = nlohmann::json::parse(io::read_file(io::local_files(), paths.record()))
                        .at("starts")
                        .back()
                        .at("progress");
  return result;
}

TEST(SkippedData, IsCountedOverAllRanks) {
  for (const int ranks : {1, 2}) {
    const TemporaryDirectory directory;
    const Result result = run_on(ranks, directory.path());
    ASSERT_EQ(result.lines.size(), 10);
    // Sequence 7 is in the batches of steps 1 and 6.
    EXPECT_EQ(result.lines[0].get(io::metric::kSkippedData), 1);
    EXPECT_EQ(result.lines[4].get(io::metric::kSkippedData), 1);
    EXPECT_EQ(result.lines[5].get(io::metric::kSkippedData), 2);
    EXPECT_EQ(result.progress.at("skipped_data"), 2);
    EXPECT_THAT(result.messages, HasSubstr("step 6: data.on_error=skip left out 2 documents"));
    EXPECT_THAT(result.messages,
                HasSubstr(ranks == 1 ? "sequence 7 is damaged" : "on another rank"));
  }
}

TEST(SkippedData, EndsTheRunUnlessItMayBeLeftOut) {
  const TemporaryDirectory directory;
  Session session(std::move(distributed::in_process(1).front()));
  EXPECT_THROW(train(session, directory.path(), io::OnDataError::stop, nullptr), DataError);
}

}  // namespace
}  // namespace ripieno
