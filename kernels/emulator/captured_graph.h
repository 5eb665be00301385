// Graph: the work of streams that a capture has recorded (capture.h), which can be run any number
// of times. All functions must be called with gpu_lock() held (streams.h).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

struct CUstream_st;

namespace ripieno::simt {

// The recorded work of all streams of a capture. It is run as late as the waits between the streams
// allow, as that of lazy streams.
class Graph {
 public:
  // Work of a stream: returns whether it could run, and is otherwise called again.
  using Work = std::function<bool()>;
  // Called at each launch of the graph; returns the work of that launch.
  using Launch = std::function<Work()>;

  void add(const CUstream_st* stream, Launch launch);
  // Later work of `stream` waits for the first `position` operations of `other`.
  void wait(const CUstream_st* stream, const CUstream_st* other, std::size_t position);
  std::size_t position(const CUstream_st* stream) { return line(stream).work.size(); }

  // Whether the first stream waits for all work of the others, directly or not.
  bool is_joined() const;
  std::size_t operations() const;
  // The work of one launch of `graph`.
  static Work launch(const std::shared_ptr<const Graph>& graph);

 private:
  // The operations of one stream: work, or a wait for another line.
  struct Operation {
    Launch launch;
    std::size_t other = 0, position = 0;  // of a wait, whose launch is empty
  };
  struct Line {
    const CUstream_st* stream;
    std::vector<Operation> work;
  };
  // What a launch has done so far: operations by line, and their work, which is empty for a wait.
  struct Run {
    std::vector<std::size_t> done;
    std::vector<std::vector<Work>> work;
  };

  std::size_t index_of(const CUstream_st* stream);
  Line& line(const CUstream_st* stream) { return lines_[index_of(stream)]; }
  template <typename Visit>
  bool visit(std::vector<std::size_t>& done, std::size_t index, std::size_t position,
             const Visit& visit_work) const;

  std::vector<Line> lines_;  // the first is that of the stream on which the capture began
};

}  // namespace ripieno::simt

// What cudaGraph_t and cudaGraphExec_t point to.
struct CUgraph_st {
  std::shared_ptr<ripieno::simt::Graph> graph;
};
struct CUgraphExec_st {
  std::shared_ptr<ripieno::simt::Graph> graph;
};
