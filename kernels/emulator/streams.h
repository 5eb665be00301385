// The streams of the emulated GPU: queues of work, which runs as late as CUDA allows (lazy), or at
// once (eager).
//
// Lazy streams reveal missing waits, because results are then those from before the work. All
// functions must be called with gpu_lock() held.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "ripieno/kernels/emulator/captured_graph.h"

// What cudaStream_t and cudaEvent_t point to.
struct CUstream_st {
  int device = 0;
  std::deque<std::function<bool()>> queue;  // each returns whether it could run
  uint64_t enqueued = 0, done = 0;          // numbers of operations
  bool is_running = false;
  uint64_t capture = 0;  // the number of the one that records its work; 0: none
  std::shared_ptr<ripieno::simt::Graph> graph;  // of that capture
};
struct CUevent_st {
  int device = 0;
  bool is_timed = false;
  CUstream_st* stream = nullptr;  // on which it was last recorded
  uint64_t position = 0;          // in that stream
  double reached_ms = 0;          // time at which the stream reached it
  uint64_t capture = 0;  // the number of the capture in which it was last recorded; 0: none
};

namespace ripieno::simt {

// Serializes all work on the GPU, from whichever host thread it is enqueued.
std::unique_lock<std::mutex> gpu_lock();

class Streams {
 public:
  static Streams& instance();

  CUstream_st* create(int device);
  // On the null stream, the work runs at once and waits for no other stream.
  void enqueue(CUstream_st* stream, std::function<void()> work);
  // Enqueues work that may have to wait for something outside this GPU: it is called again and
  // again until it returns true, and everything after it on the stream waits. `launch` returns it,
  // now or, if the stream is captured, each time the graph is launched.
  void enqueue_waiting(CUstream_st* stream, const Graph::Launch& launch);
  void record(CUevent_st& event, CUstream_st* stream);
  // Later work on the stream runs after the event, as last recorded, is reached.
  void wait(CUstream_st* stream, const CUevent_st& event);

  bool is_reached(const CUevent_st& event) const;
  // Return whether everything could run.
  bool run_until(const CUevent_st& event);
  bool run_all(CUstream_st* stream);
  bool run_all(int device);

  // Whether enqueue() runs the work before it returns.
  bool is_eager = false;

 private:
  Streams();
  void push(CUstream_st* stream, Graph::Work work);
  bool run_until(CUstream_st* stream, uint64_t position);

  std::vector<std::unique_ptr<CUstream_st>> streams_;
};

}  // namespace ripieno::simt
