// The snippet of docs/save_a_checkpoint.md.
#include <ripieno/distributed/communicators/exchange.h>
#include <ripieno/io/checkpoint/background_save.h>
#include <ripieno/ripieno.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "documents/expect.h"
#include "documents/labeled_points.h"

using namespace ripieno;

// Trains 300 steps and saves every 100.
void train(Session& session, nn::Mlp& model, optim::Optimizer& optimizer, DataParallel& parallel,
           io::Loader& loader) {
  io::BackgroundSaver saver(io::local_files(), "checkpoints");
  optimizer.before_step([&] { saver.wait_until_copied(); });
  const auto end_save = [&] {  // a collective; throws on all ranks if the save failed on one
    session.together([&] {
      const auto ended = saver.wait();
      if (ended && !ended->failure.empty()) throw StorageError(ended->failure);
    });
  };
  // Rank 0's random number, so that no save uses the name of an earlier attempt.
  const std::string start =
      distributed::from_rank_0(session.communicator(), std::to_string(std::random_device()()));
  for (int64_t step = 1; step <= 300; ++step) {
    const auto batch = loader.next();
    parallel.backward(model.loss(batch.inputs, batch.targets));
    parallel.step();
    if (step % 100 != 0) continue;
    end_save();  // of the previous checkpoint, on all ranks
    parallel.synchronize();
    saver.start(step, io::share_of(state_of(model, optimizer), session.rank(), session.size()),
                nlohmann::json{{"samples", loader.position()}},
                {.rank = session.rank(),
                 .size = session.size(),
                 .attempt = start + "_" + std::to_string(step)});
  }
  end_save();
  optimizer.before_step({});  // the saver is destroyed before the optimizer
}

// The same with a Keeper.
void train_with_a_keeper(Session& session, nn::Mlp& model, optim::Optimizer& optimizer,
                         DataParallel& parallel, io::Loader& loader) {
  Keeper keeper("kept", session, model, optimizer,
                {.every = 100, .loader = &loader, .parallel = &parallel});
  while (keeper.step() < 300 && !keeper.stops()) {
    const auto batch = loader.next();
    parallel.backward(model.loss(batch.inputs, batch.targets));
    parallel.step();
    keeper.end_step();
  }
  keeper.save();
}

std::vector<std::vector<float>> numbers(const io::State& state) {
  std::vector<std::vector<float>> result;
  for (const auto& tensor : state) {  // of some tensors this rank holds nothing
    result.emplace_back();
    if (tensor.count() > 0) result.back() = tensor.part.to_vector<float>();
  }
  return result;
}

// A job, and its state after each step.
struct Job {
  nn::Mlp model{{8, 16, 4}};
  optim::AdamW optimizer{model.parameters(), {.learning_rate = 1e-3}};
  DataParallel parallel;

  Job(Session& session, const distributed::DataParallelOptions& options)
      : parallel(model, optimizer, session.communicator(), options) {}
  std::vector<std::vector<float>> state() { return numbers(state_of(model, optimizer)); }
};

// Records the state of a job whenever it asks for the batch of its next step.
class RecordingLoader final : public io::BatchLoader {
 public:
  RecordingLoader(const LabeledPoints& points, Session& session, Job& job)
      : BatchLoader(std::make_shared<io::MemoryDataset>(points.inputs, points.targets),
                    {.batch_size = 32, .order = io::shuffled(512, 1)}, session),
        job_(job) {}
  io::Batch next() override {
    states_.push_back(job_.state());
    return BatchLoader::next();
  }
  // The states after 0, 1, … steps.
  const std::vector<std::vector<std::vector<float>>>& states() const { return states_; }

 private:
  Job& job_;
  std::vector<std::vector<std::vector<float>>> states_;
};

void train_and_compare(Session& session, const distributed::DataParallelOptions& options) {
  Job job(session, options);
  RecordingLoader loader(labeled_points(512, 8, 4), session, job);
  train(session, job.model, job.optimizer, job.parallel, loader);
  auto states = loader.states();
  states.push_back(job.state());

  const auto& files = io::local_files();
  const auto paths = io::candidates_in(files, "checkpoints");
  expect(paths.size() == 3, "there are three checkpoints");
  for (const auto& path : paths) {
    const auto checkpoint = io::Checkpoint::open(files, path);
    checkpoint.verify();
    const int64_t step = checkpoint.step();
    expect(checkpoint.training_state()["samples"] == step * 32, "it has the position in the data");
    Job loaded(session, options);
    checkpoint.load(state_of(loaded.model, loaded.optimizer));
    expect(loaded.state() == states[static_cast<std::size_t>(step)],
           path + " has the values of its step");
  }
  session.communicator().barrier();  // the next job replaces the checkpoints
}

// Both loops end with the same numbers, and a second start has nothing left to do.
void keep_and_compare(Session& session) {
  Job job(session, {}), kept(session, {}), again(session, {});
  const auto points = labeled_points(512, 8, 4);
  const auto loader = [&] {
    return io::MemoryLoader(points.inputs, points.targets,
                            {.batch_size = 32, .order = io::shuffled(512, 1)}, session);
  };
  auto first = loader(), second = loader(), third = loader();
  train(session, job.model, job.optimizer, job.parallel, first);
  train_with_a_keeper(session, kept.model, kept.optimizer, kept.parallel, second);
  expect(kept.state() == job.state(), "a keeper changes nothing");
  train_with_a_keeper(session, again.model, again.optimizer, again.parallel, third);
  expect(again.state() == job.state(), "a further start loads the end");
}

int save(int argc, char** argv) {
  Session session(argc, argv);
  session.release_signals();
  train_and_compare(session, {});
  train_and_compare(session, {});  // a restart that saves the same steps
  train_and_compare(session, {.shard = distributed::Shard::optimizer});
  train_and_compare(session, {.diloco = {.steps = 30}});
  keep_and_compare(session);
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return save(argc, argv); });
}
