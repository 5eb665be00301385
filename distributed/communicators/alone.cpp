#include "ripieno/distributed/communicators/collective.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {
namespace {

void copy(const Tensor& out, const Tensor& in) {
  if (out.raw_data() != in.raw_data()) out.detach().copy_from(in.reshape(out.shape()));
}

class Alone final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int local_rank() const override { return 0; }
  int local_size() const override { return 1; }

  void all_reduce(const Tensor& x) override { all_reduce_of(x); }
  void reduce_scatter(const Tensor& out, const Tensor& in) override {
    reduce_scatter_of(out, in, size());
    copy(out, in);
  }
  void all_gather(const Tensor& out, const Tensor& in) override {
    all_gather_of(out, in, size());
    copy(out, in);
  }
  void all_to_all(const Tensor& out, const Tensor& in) override {
    all_to_all_of(out, in, size());
    copy(out, in);
  }
  void broadcast(const Tensor& x, int root) override { broadcast_of(x, root, size()); }
  void barrier() override {}

  std::unique_ptr<Communicator> duplicate() override { return alone(); }
  std::unique_ptr<Communicator> split(int color, int) override {
    require_color(color);
    return alone();
  }
  void set_timeout(std::chrono::seconds) override {}
};

}  // namespace

std::unique_ptr<Communicator> alone() { return std::make_unique<Alone>(); }

}  // namespace ripieno::distributed
