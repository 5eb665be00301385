#include "ripieno/training/session/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/gpu_places.h"
#include "ripieno/training/session/processors.h"
#include "ripieno/training/session/standard_streams.h"
#include "ripieno/training/session/start_deadline.h"

namespace ripieno {
namespace {

Device choose_device(const std::string& name, int local_rank) {
  if (name == "cpu") return Device::cpu();
  const int count = kernels::cuda::device_count();
  if (name == "cuda" && count == 0) {
    throw ConfigurationError(fmt::format("--device cuda: {} on {}; use --device cpu, or auto",
                                         kernels::cuda::describe(), host_name()));
  }
  return count == 0 ? Device::cpu() : Device::cuda(local_rank % count);
}

// A launcher of another MPI, or one that does not support MPI, starts processes that are each a
// world of their own.
void require_whole_world(int size) {
  if (size > 1 || distributed::launched_size() <= 1) return;
  throw ConfigurationError(distributed::explain_world_size_of_one(distributed::mpi_library()));
}

}  // namespace

Session::Session(int argc, char** argv) : command_(argv, argv + argc) {
  open_standard_streams();
  join();
  signal_ = std::make_unique<StopSignal>(/*alone=*/mpi_ == nullptr);
  require_whole_world(size());
  share_cores();
  take_device("auto");
}

void Session::join() {
  if (!distributed::launched_by_mpi()) {
    communicator_ = distributed::alone();
    return;
  }
  const StartDeadline deadline;
  mpi_ = std::make_unique<distributed::MpiEnvironment>();
  communicator_ = distributed::mpi_world();
}

Session::Session(std::unique_ptr<distributed::Communicator> communicator)
    : communicator_(std::move(communicator)) {
  describe_places();
}

Session::~Session() = default;

// Ranks of a host that may use the same processors, or are limited together, share them.
void Session::share_cores() {
  const Affinity own = affinity();
  const CpuQuota quota = cpu_quota();
  const auto ranks_on = [&](const std::string& place) {
    const auto places = gather(*communicator_, host_name() + "/" + place);
    return std::count(places.begin(), places.end(), places[static_cast<std::size_t>(rank())]);
  };
  const auto on_affinity = ranks_on(own.list), on_quota = ranks_on(quota.group);
  const CpuShare share = cpu_share(own, on_affinity, quota, on_quota);
  use_threads(share.threads, share.source);
  std::optional<int> asked;
  together([&] { asked = threads_of_environment(); });
  if (asked) use_threads(*asked, "OMP_NUM_THREADS");
}

void Session::use_threads(int threads, const std::string& source) {
  kernels::set_cpu_threads(threads);
  threads_source_ = source;
}

void Session::set_threads(int threads) {
  use_threads(threads, "train.threads");
  describe_places();
}

void Session::use_device(const std::string& name) {
  take_device(name);
  const auto gpus = gather(*communicator_, gpu_place(host_name(), device_));
  together([&] { require_own_gpus(gpus); });
}

void Session::take_device(const std::string& name) {
  together([&] { device_ = choose_device(name, communicator_->local_rank()); });
  const bool is_left_open = name == "auto" && !device_.is_cuda();
  const std::string why = is_left_open ? kernels::cuda::describe_unusable() : "";
  device_remark_ = why.empty() ? "" : fmt::format("{} on {}; the CPU is used", why, host_name());
  speak_nccl();
  describe_places();
}

// Where every rank has a GPU of its own.
void Session::speak_nccl() {
  if (speaks_nccl_ || size() == 1 || !distributed::has_nccl()) return;
  const bool own =
      device_.is_cuda() && (communicator_->local_size() <= kernels::cuda::device_count() ||
                            shared_gpus_can_speak_nccl());
  const auto all = gather(*communicator_, static_cast<int64_t>(own));
  if (std::count(all.begin(), all.end(), 0) > 0) return;
  communicator_ = distributed::over_nccl(std::move(communicator_), device_);
  speaks_nccl_ = true;
}

void Session::describe_places() {
  const int threads = kernels::cpu_threads();
  hosts_ = gather(*communicator_, host_name());
  devices_ = gather(*communicator_, device_.is_cuda() ? ripieno::to_string(device_)
                                                      : fmt::format("cpu, {} thread{}", threads,
                                                                    threads > 1 ? "s" : ""));
}

void Session::together(const std::function<void()>& action) {
  std::exception_ptr failure;
  std::string message;
  int64_t status = 0;
  try {
    action();
  } catch (const std::exception& error) {
    failure = std::current_exception();
    message = error.what();
    status = static_cast<int64_t>(exit_status_of(error));
  }
  if (size() == 1) {
    if (failure) std::rethrow_exception(failure);
    return;
  }
  const auto statuses = gather(*communicator_, status);
  const auto first = std::find_if(statuses.begin(), statuses.end(), [](auto s) { return s != 0; });
  if (first == statuses.end()) return;
  const bool speaks = first - statuses.begin() == rank();
  const bool everyone = std::find(statuses.begin(), statuses.end(), 0) == statuses.end();
  if (speaks && everyone) std::rethrow_exception(failure);
  throw RankFailure(static_cast<ExitStatus>(*first),
                    speaks ? fmt::format("rank {} on {}: {}", rank(), host_name(), message) : "");
}

void Session::require_whole_batch(const io::Batch& batch) {
  if (size() == 1) return;
  const int64_t rows = batch.inputs.defined() ? batch.inputs.size(0) : 0;
  const auto all_rows = gather(*communicator_, rows);
  const auto first_rows = gather(*communicator_, batch.first_row);
  const auto global_rows = gather(*communicator_, batch.global_rows);
  int64_t next = 0;
  bool whole = true;
  for (std::size_t r = 0; r < all_rows.size(); ++r) {
    whole =
        whole && (all_rows[r] == 0 || first_rows[r] == next) && global_rows[r] == global_rows[0];
    next += all_rows[r];
  }
  if (whole && next == global_rows[0]) return;
  const bool same =
      std::all_of(first_rows.begin(), first_rows.end(), [](auto x) { return x == 0; });
  together([&] {
    fail(fmt::format(
        "the ranks' rows of the first batch are not the whole batch: rank 0 has {} rows from {} of "
        "{}, rank 1 has {} from {} of {}{}",
        all_rows[0], first_rows[0], global_rows[0], all_rows[1], first_rows[1], global_rows[1],
        same ? "; all ranks would train on the same rows: give the loader the session, as its last "
               "argument"
             : ""));
  });
}

void Session::require_agreement(const std::vector<distributed::Fact>& facts) {
  if (size() == 1) return;
  const auto found = distributed::disagreement(*communicator_, facts);
  together([&] {
    if (!found.empty()) throw ConfigurationError("the ranks do not agree: " + found);
  });
}

Session::Agreement Session::agree(int64_t decision_of_rank_0, bool has_failure) {
  if (signal_ && StopSignal::arrived()) stop_asked_ = true;
  if (size() == 1) return {stop_asked_, decision_of_rank_0, has_failure};
  if (!votes_.defined()) votes_ = Tensor({3}, DType::int64);
  auto* votes = votes_.data<int64_t>();
  votes[0] = stop_asked_;
  votes[1] = rank() == 0 ? decision_of_rank_0 : 0;
  votes[2] = has_failure;
  communicator_->all_reduce(votes_);
  return {votes[0] > 0, votes[1], votes[2]};
}

}  // namespace ripieno
