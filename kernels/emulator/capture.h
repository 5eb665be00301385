// Capture: records the work of streams of the emulated GPU as a graph, as cudaStreamBeginCapture()
// does. All functions must be called with gpu_lock() held (streams.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "cuda_runtime_api.h"

namespace ripieno::simt {

// The recorded work of all streams of a capture. It is run as late as the waits between the streams
// allow, as that of lazy streams.
class Graph {
 public:
  void add(const CUstream_st* stream, std::function<void()> work);
  // Later work of `stream` waits for the first `position` operations of `other`.
  void wait(const CUstream_st* stream, const CUstream_st* other, std::size_t position);
  std::size_t position(const CUstream_st* stream) { return line(stream).work.size(); }

  // Whether the first stream waits for all work of the others, directly or not.
  bool is_joined() const;
  std::size_t operations() const;
  void run() const;

 private:
  // The operations of one stream: work, or a wait for another line.
  struct Operation {
    std::function<void()> work;
    std::size_t other = 0, position = 0;  // of a wait, whose work is empty
  };
  struct Line {
    const CUstream_st* stream;
    std::vector<Operation> work;
  };

  std::size_t index_of(const CUstream_st* stream);
  Line& line(const CUstream_st* stream) { return lines_[index_of(stream)]; }
  template <typename Visit>
  void visit(std::vector<std::size_t>& done, std::size_t index, std::size_t position,
             const Visit& visit_work) const;

  std::vector<Line> lines_;  // the first is that of the stream on which the capture began
};

// A capture that has not ended.
struct Capture {
  uint64_t number = 0;  // from 1
  CUstream_st* origin = nullptr;
  std::thread::id thread;  // which began it, and must not make calls that wait or allocate
  bool is_invalid = false;
  std::vector<CUstream_st*> streams;
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
};

// Marks the capture as failed, and returns `error`.
cudaError_t invalidate(Capture& capture, cudaError_t error);
// Whether work can be enqueued on the stream; null: the null stream.
cudaError_t capture_status(const CUstream_st* stream);
// Whether the host may use an event, which it may not if it was recorded in a capture.
cudaError_t event_status(const CUevent_st& event);
// Whether a call waits for the device or changes its memory, which a thread must not do while it
// captures.
bool is_prohibited_in_capture(std::string_view name);

// All captures that have not ended.
class Captures {
 public:
  static Captures& instance();

  void begin(CUstream_st* stream);
  // The work of the capture; null if it is invalid.
  std::shared_ptr<Graph> end(CUstream_st* stream);
  // That of the calling thread; null if there is none.
  Capture* of_this_thread() const;
  // That in which an event was recorded; null if it has ended.
  Capture* find(uint64_t number) const;
  // Adds a stream that waits for an event of the capture.
  void join(Capture& capture, CUstream_st* stream);

 private:
  uint64_t begun_ = 0;
  std::vector<std::unique_ptr<Capture>> running_;
};

}  // namespace ripieno::simt

// What cudaGraph_t and cudaGraphExec_t point to.
struct CUgraph_st {
  std::shared_ptr<ripieno::simt::Graph> graph;
};
struct CUgraphExec_st {
  std::shared_ptr<ripieno::simt::Graph> graph;
};
