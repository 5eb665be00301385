// Counted: a communicator that forwards all calls, and counts those of itself, its duplicates and
// groups.
#pragma once

#include <atomic>
#include <memory>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed::testing {

struct Counts {
  std::atomic<int> all_reduces = 0;
  std::atomic<int> duplicates = 0;
  std::atomic<int> others = 0;
};

class Counted final : public Communicator {
 public:
  Counted(Communicator& inner, Counts& counts) : inner_(inner), counts_(counts) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  int local_rank() const override { return inner_.local_rank(); }
  int local_size() const override { return inner_.local_size(); }

  void all_reduce(const Tensor& x) override {
    ++counts_.all_reduces;
    inner_.all_reduce(x);
  }
  void reduce_scatter(const Tensor& out, const Tensor& in) override {
    ++counts_.others;
    inner_.reduce_scatter(out, in);
  }
  void all_gather(const Tensor& out, const Tensor& in) override {
    ++counts_.others;
    inner_.all_gather(out, in);
  }
  void all_to_all(const Tensor& out, const Tensor& in) override {
    ++counts_.others;
    inner_.all_to_all(out, in);
  }
  void broadcast(const Tensor& x, int root) override {
    ++counts_.others;
    inner_.broadcast(x, root);
  }
  void barrier() override {
    ++counts_.others;
    inner_.barrier();
  }
  std::unique_ptr<Communicator> duplicate() override {
    ++counts_.duplicates;
    return counted(inner_.duplicate());
  }
  std::unique_ptr<Communicator> split(int color, int key) override {
    return counted(inner_.split(color, key));
  }
  std::unique_ptr<MemoryResource> shared_memory(std::size_t bytes) override {
    return inner_.shared_memory(bytes);
  }
  void set_timeout(std::chrono::seconds timeout) override { inner_.set_timeout(timeout); }

 private:
  std::unique_ptr<Communicator> counted(std::unique_ptr<Communicator> group) const {
    auto result = std::make_unique<Counted>(*group, counts_);
    result->owned_ = std::move(group);
    return result;
  }

  Communicator& inner_;
  Counts& counts_;
  std::unique_ptr<Communicator> owned_;
};

}  // namespace ripieno::distributed::testing
