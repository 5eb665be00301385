// A training loop without Run, alone or under mpirun: it saves every 100 steps, and the next start
// continues from the newest checkpoint, with the same bits. Keeper does this in three lines; here
// is what it does, to be changed.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/ripieno.h"

using namespace ripieno;

std::string newest_checkpoint(Session& session) {  // empty: there is none
  std::string path;
  session.together([&] {  // throws on all ranks if rank 0 fails
    if (session.rank() > 0) return;
    path = io::newest_intact(io::local_files(), "checkpoints").path.value_or("");
  });
  return distributed::from_rank_0(session.communicator(), path);
}

void save(Session& session, int64_t step, const io::State& state) {
  const auto attempt =  // must be new, also after a restart
      distributed::from_rank_0(session.communicator(), std::to_string(std::random_device()()));
  const int rank = session.rank(), size = session.size();
  session.together([&] {
    io::save_checkpoint(io::local_files(), "checkpoints", step, io::share_of(state, rank, size), {},
                        {.rank = rank, .size = size, .attempt = attempt, .keep = {.newest = 2}});
  });
}

int train(int argc, char** argv) {
  Session session(argc, argv);
  session.release_signals();  // a signal ends the program at once
  Tensor x({4096, 1});
  fill_uniform(x, -2.0, 2.0, {.seed = 1});
  MemoryLoader loader(x, sin(x * 2.0), {.batch_size = 64, .order = io::shuffled(4096, 1)}, session);
  nn::Sequential model{nn::Linear(1, 64, {.activation = Activation::kGelu}), nn::Dropout(0.05),
                       nn::Linear(64, 1)};
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 3e-3});
  DataParallel parallel(model, optimizer, session.communicator());

  int64_t step = 0;
  if (const auto path = newest_checkpoint(session); !path.empty()) {
    const auto checkpoint = io::Checkpoint::open(io::local_files(), path);
    checkpoint.load(state_of(model, optimizer));
    step = checkpoint.step();
    optimizer.set_steps_taken(step);
    loader.seek(step * loader.batch_size());
  }
  if (session.rank() == 0) std::printf("starts after step %d\n", static_cast<int>(step));
  while (step < 500) {
    const io::Batch batch = loader.next();
    random_context().step = static_cast<uint64_t>(++step);  // of the masks of dropout
    random_context().first_row = batch.first_row;
    parallel.backward(mse(model(batch.inputs), batch.targets));
    parallel.step();
    if (step % 100 > 0) continue;
    save(session, step, state_of(model, optimizer));
    if (session.rank() == 0) std::printf("loss %.9g\n", parallel.loss().mean());
  }
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
