// StepGraph: replays the work of a training step on a GPU as one CUDA graph, so that the host
// enqueues a step with a few calls instead of hundreds. Bitwise the same results as without.
//
//   StepGraph graph(parallel);
//   while (const auto batch = run.next()) {
//     graph.run(*batch, [&](const io::Batch& rows) {
//       parallel.backward(model.loss(rows.inputs, rows.targets));
//       parallel.step();
//     });
//     run.log();
//   }
//
// The first step runs as usual, and measures and allocates what later ones use. Two more run with
// the memory of the graph. The fourth is recorded: from then on a step is a copy of its batch, the
// optimizer's begin_step(), and one launch. A step that differs from the recorded one, for example
// in the shape of its batch, runs as usual; after two of these in a row that are alike, the next is
// recorded instead.
//
// Several ranks record and replay the same steps, on which they agree before each step: the
// constructor and run() are collectives. One thread uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/device/device_graph.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/data/batch.h"

namespace ripieno {

struct StepGraphOptions {
  enum class Mode {
    automatic,  // steps that cannot be recorded run as usual
    on,         // they are an error
    off
  };
  Mode mode = Mode::automatic;
  // Called with one line when steps on a GPU are not replayed, and why, on the first rank that has
  // a reason; none by default.
  std::function<void(const std::string& line)> remark = {};
};

class StepGraph {
 public:
  using Step = std::function<void(const io::Batch&)>;

  // `parallel` must outlive this object. Throws ConfigurationError if `mode` is on and its steps
  // cannot be recorded on a rank.
  explicit StepGraph(distributed::DataParallel& parallel, const StepGraphOptions& options = {});
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  // Takes a step. `step` must call backward() and step() of the DataParallel, read no other batch
  // than its argument, and do the same in each step: a replay repeats the work that it enqueued,
  // but does not call it. What it changes on the host (a counter, a sum) does not change in a
  // replay, and values that it reads there stay as they were; call forget() after changing one.
  // Throws what `step` throws; ConfigurationError if `mode` is on and the step reads a value on the
  // host, waits for the device or allocates memory with cudaMalloc.
  void run(const io::Batch& batch, const Step& step);
  // Discards the recorded step; a later one is recorded anew. Not a collective: then all ranks run
  // their steps as usual until the next recording.
  void forget();

  // The number of operations on the device in the recorded step; 0 if none is recorded.
  int64_t operations() const { return graph_ ? graph_->operations() : 0; }

 private:
  std::string obstacle_to_start() const;
  std::vector<uint64_t> facts_of(const io::Batch& batch) const;
  int64_t trims() const { return stream_->memory().statistics().trims; }
  void note_change();
  void prepare(const io::Batch& batch, const Step& step);
  void record(const io::Batch& batch, const Step& step);
  void replay(const io::Batch& batch);
  void begin(const io::Batch& batch);
  void give_up(const std::string& why);

  distributed::DataParallel& parallel_;
  StepGraphOptions options_;
  std::unique_ptr<Stream>
      stream_;       // whose pool has the memory of the recorded work; null: inactive
  Tensor step_key_;  // RandomContext::step_key of the step
  io::Batch batch_;  // of the step, in memory that is kept
  std::unique_ptr<DeviceGraph> graph_;
  // Facts of the recorded step, and of the last one that ran with the memory of the graph.
  std::vector<uint64_t> recorded_, prepared_;
  int64_t trims_ = 0;  // of the pool at that time: afterwards its memory is another
  bool has_taken_a_step_ = false;
  int prepared_steps_ = 0;  // in a row, with the facts prepared_
  int changes_ = 0, failures_ = 0;
};

}  // namespace ripieno
