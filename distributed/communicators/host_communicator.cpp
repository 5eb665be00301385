#include "ripieno/distributed/communicators/host_communicator.h"

#include <fmt/format.h>

#include "ripieno/core/device/copy.h"
#include "ripieno/core/pinned.h"

namespace ripieno::distributed {
namespace {

// A tensor's elements in host memory: the tensor's own, or, for a GPU tensor, a pinned copy, which
// put_back() copies back to the GPU. Both copies synchronize with the current stream.
class OnHost {
 public:
  enum class Content { given, written };  // written: overwritten before use, so not copied in

  explicit OnHost(const Tensor& tensor, Content content = Content::given)
      : tensor_(tensor),
        host_(is_copy() ? pinned_tensor(tensor.shape(), tensor.dtype(), tensor.device()) : tensor) {
    if (is_copy() && content == Content::given) copy(host_, tensor_);
  }

  std::byte* data() const { return static_cast<std::byte*>(host_.raw_data()); }
  void put_back() {
    if (is_copy()) copy(tensor_, host_);
  }

 private:
  bool is_copy() const { return tensor_.device().is_cuda(); }
  void copy(const Tensor& to, const Tensor& from) const {
    enqueue_copy(to, from);
    synchronize(tensor_.device());
  }

  Tensor tensor_;
  Tensor host_;
};

}  // namespace

void HostCommunicator::rethrow(const Collective& collective, const CommunicationFailure& failure) {
  failed();
  failure_ =
      fmt::format("{} on rank {} of {}: {}", to_string(collective), rank(), size(), failure.what());
  throw CommunicationFailure(failure_, failure.where());
}

void HostCommunicator::fail_again(const Collective& collective) const {
  throw CommunicationFailure(fmt::format("{}: an earlier collective of this group failed: {}",
                                         to_string(collective), failure_));
}

void HostCommunicator::all_reduce(const Tensor& x) {
  const Collective collective = all_reduce_of(x);
  OnHost host(x);
  named(collective, [&] { sum_everywhere(collective, host.data()); });
  host.put_back();
}

void HostCommunicator::reduce_scatter(const Tensor& out, const Tensor& in) {
  const Collective collective = reduce_scatter_of(out, in, size());
  OnHost host_out(out, OnHost::Content::written);
  const OnHost host_in(in);
  named(collective, [&] { sum_parts(collective, host_out.data(), host_in.data()); });
  host_out.put_back();
}

void HostCommunicator::all_gather(const Tensor& out, const Tensor& in) {
  const Collective collective = all_gather_of(out, in, size());
  OnHost host_out(out, OnHost::Content::written);
  const OnHost host_in(in);
  named(collective, [&] { gather(collective, host_out.data(), host_in.data()); });
  host_out.put_back();
}

void HostCommunicator::all_to_all(const Tensor& out, const Tensor& in) {
  const Collective collective = all_to_all_of(out, in, size());
  OnHost host_out(out, OnHost::Content::written);
  const OnHost host_in(in);
  named(collective, [&] { exchange(collective, host_out.data(), host_in.data()); });
  host_out.put_back();
}

void HostCommunicator::broadcast(const Tensor& x, int root) {
  const Collective collective = broadcast_of(x, root, size());
  OnHost host(x);
  named(collective, [&] { copy_from_root(collective, host.data()); });
  host.put_back();
}

void HostCommunicator::barrier() {
  const Collective collective{.kind = Collective::Kind::barrier};
  named(collective, [&] { meet(collective); });
}

}  // namespace ripieno::distributed
