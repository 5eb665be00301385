// The snippets of docs/flight_record.md.
#include "ripieno/io/run/ranks/flight_record.h"

#include <ripieno/ripieno.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "documents/labeled_points.h"
#include "ripieno/io/run/ranks/stall.h"

using namespace ripieno;

void show() {
  const int64_t now =
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  const auto records = io::read_flight_records("runs/gpt");  // ripieno/io/run/ranks/flight_record.h
  for (const auto& rank : records)
    std::printf("%d on %s: step %lld, in %s\n", rank.rank, rank.host.c_str(),
                static_cast<long long>(rank.step), io::position_of(rank).c_str());
  std::puts(io::to_string(io::find_stall(records), records, now).c_str());  // ns since 1970
}

int train(int argc, char** argv) {
  Session session(argc, argv);
  const auto [x, y] = labeled_points(512, 8, 8);
  const auto data = std::make_shared<io::MemoryDataset>(x, y);
  io::BatchLoader loader(data, {.batch_size = 32}, session);
  nn::Mlp model({8, 32, 8});
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
  DataParallel parallel(model, optimizer, session.communicator());
  RunOptions options = {.steps = 100, .parallel = &parallel};
  options.watch = {.limit_seconds = 120, .on_stall = [](const std::string& line) {
                     std::fprintf(stderr, "%s\n", line.c_str());  // on a thread of the recorder
                   }};
  Run run("runs/gpt", session, model, optimizer, loader, options);
  while (const auto batch = run.next()) {
    parallel.backward(model.loss(batch->inputs, batch->targets));
    parallel.step();
    if (session.rank() == 0 && run.step() == 50) show();
    run.log();
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
