#include "ripieno/training/session/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/core/optim/first_step_check.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/gpu_sharing.h"
#include "ripieno/training/session/processors.h"
#include "ripieno/training/session/standard_streams.h"
#include "ripieno/training/session/start_deadline.h"

namespace ripieno {
namespace {

Device choose_device(const std::string& name, int local_rank) {
  if (name == "cpu") return Device::cpu();
  const int count = kernels::cuda::device_count();
  if (name == "cuda" && count == 0) {
    throw ConfigurationError(
        fmt::format("--device cuda: {} on {}; use --device cpu or --device auto",
                    kernels::cuda::describe(), host_name()));
  }
  return count == 0 ? Device::cpu() : Device::cuda(local_rank % count);
}

// Started by the launcher of another MPI, or by one without MPI support, each process finds a world
// size of 1.
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
  choose_threads();
  take_device("auto");
  check_optimizers();
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
  gather_devices();
  check_optimizers();
}

Session::~Session() { optim::first_step_check() = nullptr; }

void Session::check_optimizers() {
  if (size() == 1) return;
  optim::first_step_check() = [is_connected = is_connected_, ranks = size()] {
    if (*is_connected) return;
    fail(fmt::format(
        "optimizer: this is one of {} ranks, and nothing connects them, so each would train a "
        "model "
        "of its own; construct distributed::DataParallel with session.communicator() and call its "
        "backward() and step(), or start a single process",
        ranks));
  };
}

// Processors and quotas are divided among the ranks of a host that have the same ones.
void Session::choose_threads() {
  const Affinity mine = affinity();
  const CpuQuota quota = cpu_quota();
  const auto ranks_with = [&](const std::string& resource) {
    const auto resources = gather(*communicator_, host_name() + "/" + resource);
    return std::count(resources.begin(), resources.end(),
                      resources[static_cast<std::size_t>(rank())]);
  };
  const auto on_affinity = ranks_with(mine.list), on_quota = ranks_with(quota.group);
  const CpuShare share = cpu_share(mine, on_affinity, quota, on_quota);
  use_threads(share.threads, share.source);
  std::optional<int> requested;
  together([&] { requested = threads_of_environment(); });
  if (requested) use_threads(*requested, "OMP_NUM_THREADS");
}

void Session::use_threads(int threads, const std::string& source) {
  kernels::set_cpu_threads(threads);
  threads_source_ = source;
}

void Session::set_threads(int threads) {
  use_threads(threads, "train.threads");
  gather_devices();
}

void Session::use_device(const std::string& name) {
  take_device(name);
  const auto gpus = gather(*communicator_, gpu_identity(host_name(), device_));
  together([&] { require_distinct_gpus(gpus); });
}

void Session::take_device(const std::string& name) {
  together([&] { device_ = choose_device(name, communicator_->local_rank()); });
  const bool is_fallback = name == "auto" && !device_.is_cuda();
  const std::string why = is_fallback ? kernels::cuda::describe_unusable() : "";
  device_remark_ = why.empty() ? "" : fmt::format("{} on {}; the CPU is used", why, host_name());
  use_nccl();
  gather_devices();
}

// NCCL is used if every rank has a GPU to itself.
void Session::use_nccl() {
  if (uses_nccl_ || size() == 1) return;
  const bool has_own_gpu =
      device_.is_cuda() &&
      (communicator_->local_size() <= kernels::cuda::device_count() || nccl_accepts_shared_gpus());
  const std::string lacks = !device_.is_cuda()        ? "no GPU"
                            : !has_own_gpu            ? "GPUs are shared"
                            : distributed::has_nccl() ? ""
                                                      : distributed::describe_nccl();
  const auto all = gather(*communicator_, lacks);
  const auto first = std::find_if(all.begin(), all.end(), [](const auto& s) { return !s.empty(); });
  if (first != all.end()) {
    communication_ = fmt::format("host memory ({} on rank {})", *first, first - all.begin());
    return;
  }
  communicator_ = distributed::over_nccl(std::move(communicator_), device_);
  uses_nccl_ = true;
  communication_ = distributed::describe_nccl();
}

void Session::gather_devices() {
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
  const bool is_first = first - statuses.begin() == rank();
  const bool everyone = std::find(statuses.begin(), statuses.end(), 0) == statuses.end();
  if (is_first && everyone) std::rethrow_exception(failure);
  throw RankFailure(static_cast<ExitStatus>(*first),
                    is_first ? fmt::format("rank {} on {}: {}", rank(), host_name(), message) : "");
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
    fail(
        fmt::format("the parts of the first batch must cover each row exactly once, but rank 0 has "
                    "rows [{}, {}) of {} and rank 1 has rows [{}, {}) of {}{}",
                    first_rows[0], first_rows[0] + all_rows[0], global_rows[0], first_rows[1],
                    first_rows[1] + all_rows[1], global_rows[1],
                    same ? "; all ranks would train on the same rows: pass the session to the "
                           "loader as its last argument"
                         : ""));
  });
}

void Session::require_agreement(const std::vector<distributed::Fact>& facts) {
  if (size() == 1) return;
  const auto found = distributed::disagreement(*communicator_, facts);
  together([&] {
    if (!found.empty()) throw ConfigurationError("the ranks disagree: " + found);
  });
}

Session::Agreement Session::agree(int64_t decision_of_rank_0, bool has_failure,
                                  std::span<int64_t> sums) {
  if (signal_ && StopSignal::arrived()) stop_requested_ = true;
  if (size() == 1) return {stop_requested_, decision_of_rank_0, has_failure};
  const trace::Scope traced({.name = "agreement"});
  const auto needed = static_cast<int64_t>(3 + sums.size());
  if (!votes_.defined() || votes_.elements() < needed)
    votes_ = Tensor::zeros({needed}, DType::int64);
  auto* votes = votes_.data<int64_t>();
  votes[0] = stop_requested_;
  votes[1] = rank() == 0 ? decision_of_rank_0 : 0;
  votes[2] = has_failure;
  std::fill(std::copy(sums.begin(), sums.end(), votes + 3), votes + votes_.elements(), 0);
  communicator_->all_reduce(votes_);
  std::copy_n(votes + 3, sums.size(), sums.begin());
  return {votes[0] > 0, votes[1], votes[2]};
}

}  // namespace ripieno
