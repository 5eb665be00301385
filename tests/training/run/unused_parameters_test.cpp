#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "distributed/training_job.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/io/data/memory_loader.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/run/run.h"

namespace ripieno {
namespace {

using distributed::testing::features;
using distributed::testing::kClasses;
using distributed::testing::kFeatures;
using distributed::testing::targets;

struct WithAnIdlePart : nn::Module {
  nn::Mlp used{{kFeatures, kClasses}};
  nn::Linear idle{2, 2};
  WithAnIdlePart() {
    add("used", used);
    add("idle", idle);
  }
};

void train(const std::string& directory, std::FILE* messages) {
  Session session(distributed::alone());
  io::MemoryLoader loader(features(), targets(), {.batch_size = 6}, session);
  WithAnIdlePart model;
  optim::AdamW optimizer(model.parameters());
  distributed::DataParallel parallel(model, optimizer, session.communicator());
  Run run(directory, session, model, optimizer, loader,
          {.steps = 3, .parallel = &parallel, .messages = messages});
  while (const auto batch = run.next()) {
    parallel.backward(model.used.loss(batch->inputs, batch->targets));
    parallel.step();
    run.log();
  }
}

TEST(UnusedParameters, AreNamedOnceByARun) {
  const io::TemporaryDirectory directory;
  const std::string path = directory / "messages";
  std::FILE* const messages = std::fopen(path.c_str(), "w");
  train(directory / "run", messages);
  std::fclose(messages);
  const std::string text = io::read_file(io::local_files(), path);
  const auto first = text.find("(2): idle.weight, idle.bias; they are not trained");
  EXPECT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find("idle.weight", first + 10), std::string::npos) << text;
}

}  // namespace
}  // namespace ripieno
