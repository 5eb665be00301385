// The streams of the emulated GPU: queues of work, which runs as late as CUDA allows, or at once.
//
// Late is what finds a missing wait: the numbers are then those from before the work. Whoever calls
// holds gpu_lock().
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

// What cudaStream_t and cudaEvent_t point at.
struct CUstream_st {
  int device = 0;
  std::deque<std::function<void()>> queue;
  uint64_t given = 0, done = 0;  // pieces of work
};
struct CUevent_st {
  int device = 0;
  bool is_timed = false;
  CUstream_st* stream = nullptr;  // that it was last recorded on
  uint64_t place = 0;             // in that stream
  double reached_ms = 0;          // when the stream came there
};

namespace ripieno::simt {

// One GPU, one piece of work at a time, whichever threads of the program gave it.
std::unique_lock<std::mutex> gpu_lock();

class Streams {
 public:
  static Streams& instance();

  CUstream_st* create(int device);
  // The null stream runs its work at once, and waits for no other.
  void enqueue(CUstream_st* stream, std::function<void()> work);
  void record(CUevent_st& event, CUstream_st* stream);
  // The stream goes on once the event, as it was last recorded, has been reached.
  void wait(CUstream_st* stream, const CUevent_st& event);

  bool is_reached(const CUevent_st& event) const;
  void run_until(const CUevent_st& event);
  void run_all(CUstream_st* stream);
  void run_all();

  // Whether enqueue() runs the work before it returns.
  bool is_eager = false;

 private:
  Streams();
  void run_until(CUstream_st* stream, uint64_t place);

  std::vector<std::unique_ptr<CUstream_st>> streams_;
};

}  // namespace ripieno::simt
