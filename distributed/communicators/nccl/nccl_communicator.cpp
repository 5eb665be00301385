#include <fmt/format.h>

#include <exception>
#include <mutex>
#include <string>

#include "ripieno/core/device/device_graph.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/error.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/collective.h"
#include "ripieno/distributed/communicators/host_communicator.h"
#include "ripieno/distributed/communicators/in_flight.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"
#include "ripieno/distributed/communicators/nccl/nccl_group.h"
#include "ripieno/distributed/communicators/nccl/nccl_queue.h"

namespace ripieno::distributed {
namespace {

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return ncclFloat32;
    case DType::float64:
      return ncclFloat64;
    case DType::bfloat16:
      return ncclBfloat16;
    case DType::float16:
      return ncclFloat16;
    case DType::int64:
      return ncclInt64;
    case DType::int32:
      return ncclInt32;
    case DType::uint8:
    case DType::boolean:
      break;
  }
  return ncclUint8;
}

class Nccl final : public Communicator {
 public:
  Nccl(std::unique_ptr<Communicator> host, Device device)
      : host_(std::move(host)), device_(device) {
    if (auto* traced = dynamic_cast<HostCommunicator*>(host_.get()))
      traced_ = traced->traced().child(0);
  }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  int local_rank() const override { return host_->local_rank(); }
  int local_size() const override { return host_->local_size(); }

  void all_reduce(const Tensor& x) override {
    if (!is_on_device(x)) return host_->all_reduce(x);
    run(all_reduce_of(x), [&](ncclComm_t group, cudaStream_t stream) {
      return ncclAllReduce(x.raw_data(), x.raw_data(), count(x), type_of(x.dtype()), ncclSum, group,
                           stream);
    });
  }

  void reduce_scatter(const Tensor& out, const Tensor& in) override {
    if (!is_on_device(in)) return host_->reduce_scatter(out, in);
    run(reduce_scatter_of(out, in, size()), [&](ncclComm_t group, cudaStream_t stream) {
      return ncclReduceScatter(in.raw_data(), out.raw_data(), count(out), type_of(in.dtype()),
                               ncclSum, group, stream);
    });
  }

  void all_gather(const Tensor& out, const Tensor& in) override {
    if (!is_on_device(in)) return host_->all_gather(out, in);
    run(all_gather_of(out, in, size()), [&](ncclComm_t group, cudaStream_t stream) {
      return ncclAllGather(in.raw_data(), out.raw_data(), count(in), type_of(in.dtype()), group,
                           stream);
    });
  }

  void all_to_all(const Tensor& out, const Tensor& in) override {
    if (!is_on_device(in)) return host_->all_to_all(out, in);
    const Collective collective = all_to_all_of(out, in, size());
    run(collective, [&](ncclComm_t group, cudaStream_t stream) {
      const auto elements = static_cast<std::size_t>(collective.elements);
      const auto part = [&](const Tensor& whole, int of_rank) {
        return static_cast<std::byte*>(whole.raw_data()) +
               static_cast<std::size_t>(of_rank) * collective.bytes();
      };
      ncclGroupStart();
      for (int other = 0; other < size(); ++other) {
        ncclSend(part(in, other), elements, type_of(in.dtype()), other, group, stream);
        ncclRecv(part(out, other), elements, type_of(in.dtype()), other, group, stream);
      }
      return ncclGroupEnd();  // reports the first failure of the calls since ncclGroupStart
    });
  }

  void broadcast(const Tensor& x, int root) override {
    if (!is_on_device(x)) return host_->broadcast(x, root);
    run(broadcast_of(x, root, size()), [&](ncclComm_t group, cudaStream_t stream) {
      return ncclBroadcast(x.raw_data(), x.raw_data(), count(x), type_of(x.dtype()), root, group,
                           stream);
    });
  }

  void barrier() override { host_->barrier(); }

  // NCCL connects the ranks in their first collectives, before a recording, which then is local.
  std::string obstacle_to_recording(Device device) const override {
    return device == device_ ? "" : host_->obstacle_to_recording(device);
  }
  // The graph is not on the stream of the queue, but runs as if it were.
  void replay(const std::function<void()>& enqueue) override {
    run_in_queue({.kind = Collective::Kind::replayed_step},
                 [&](const NcclQueue& queue, const Stream& computing) {
                   computing.wait(queue.stream());
                   enqueue();
                   queue.stream().wait(computing);
                 });
  }

  std::unique_ptr<Communicator> duplicate() override { return over(host_->duplicate()); }
  std::unique_ptr<Communicator> split(int color, int key) override {
    return over(host_->split(color, key));
  }
  std::unique_ptr<MemoryResource> shared_memory(std::size_t bytes) override {
    return host_->shared_memory(bytes);
  }
  void set_timeout(std::chrono::seconds timeout) override {
    timeout_ = timeout;
    host_->set_timeout(timeout);
  }

 private:
  bool is_on_device(const Tensor& x) const { return x.defined() && x.device() == device_; }
  static std::size_t count(const Tensor& x) { return static_cast<std::size_t>(x.elements()); }

  std::unique_ptr<Communicator> over(std::unique_ptr<Communicator> host) const {
    auto result = std::make_unique<Nccl>(std::move(host), device_);
    result->timeout_ = timeout_;
    return result;
  }

  template <typename Enqueue>
  void run(const Collective& collective, const Enqueue& enqueue) {
    if (collective.elements == 0) return;
    run_in_queue(collective, [&](const NcclQueue& queue, const Stream&) {
      group_->require(enqueue(group_->handle(), queue.stream().handle()), "NCCL", timeout_);
    });
  }

  template <typename Enqueue>
  void run_in_queue(const Collective& collective, const Enqueue& enqueue) {
    const trace::Scope traced(traced_.next(collective, rank(), size()));
    require_no_failure(collective, "of this group", failure());
    try {
      const InFlight::Scope in_flight(InFlight::on(device_), collective);
      const Stream& computing = current_stream(device_);
      NcclQueue& queue = NcclQueue::on(device_);
      if (!group_) group_ = std::make_unique<NcclGroup>(*host_, queue, timeout_);
      queue.begin(computing);
      require_no_failure(collective, "on " + to_string(device_), queue.failure());
      enqueue(queue, computing);
      queue.end({collective, group_->handle(), rank(), size(), timeout_}, computing);
    } catch (const EarlierFailure&) {
      throw;
    } catch (const CommunicationFailure& failure) {
      const std::string message =
          fmt::format("{} over NCCL on rank {} of {}: {}", to_string(collective), rank(), size(),
                      failure.what());
      note_failure(message);
      throw CommunicationFailure(message, failure.where());
    } catch (const std::exception& error) {
      // Other ranks may be in this collective and would match it with the next one of this rank;
      // but nothing of a failed recording runs.
      if (!is_recording()) note_failure(error.what());
      throw;
    }
  }

  // Of an earlier collective, which the exception does not describe again.
  struct EarlierFailure : CommunicationFailure {
    using CommunicationFailure::CommunicationFailure;
  };

  static void require_no_failure(const Collective& collective, const std::string& where,
                                 const std::string& failure) {
    if (failure.empty()) return;
    throw EarlierFailure(fmt::format("{} over NCCL: an earlier collective {} failed: {}",
                                     to_string(collective), where, failure));
  }

  std::string failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  void note_failure(const std::string& message) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = message;
  }

  std::unique_ptr<Communicator> host_;
  Device device_;
  TracedGroup traced_;
  std::chrono::seconds timeout_ = kDefaultTimeout;
  std::unique_ptr<NcclGroup> group_;  // null before the first collective of a GPU tensor
  std::mutex mutex_;                  // guards failure_: a second thread may call by mistake
  std::string failure_;               // message of the first call that failed
};

}  // namespace

std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> host, Device device) {
  if (!device.is_cuda())
    throw ConfigurationError(
        fmt::format("over_nccl: device is {}; it must be a GPU", to_string(device)));
  return std::make_unique<Nccl>(std::move(host), device);
}

}  // namespace ripieno::distributed
