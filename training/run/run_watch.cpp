#include "ripieno/training/run/run_watch.h"

#include <fmt/format.h>

#include <exception>
#include <random>
#include <utility>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/training/session/processors.h"

namespace ripieno {
namespace {

using watch::RankTimes;

constexpr int64_t kExchangesBetweenLooks = 16;

uint64_t random_start(Session& session) {
  std::random_device device;
  const uint64_t mine = uint64_t{device()} << 32 | device();
  return std::stoull(from_rank_0(session.communicator(), std::to_string(mine)));
}

std::unique_ptr<watch::Recorder> recorder_of(Session& session, const std::string& directory,
                                             const io::Loader& loader, const RunOptions& options) {
  const uint64_t start = random_start(session);
  std::unique_ptr<watch::Recorder> recorder;
  session.together([&] {
    recorder = watch::Recorder::create({.run_directory = directory,
                                        .start = start,
                                        .rank = session.rank(),
                                        .size = session.size(),
                                        .local_rank = session.communicator().local_rank(),
                                        .compute_threads = kernels::cpu_threads(),
                                        .reader_threads = loader.reader_threads(),
                                        .cores = affinity().count,
                                        .device = to_string(session.device()),
                                        .watch = options.watch,
                                        .messages = options.messages});
  });
  return recorder;
}

}  // namespace

RunWatch::RunWatch(Session& session, const std::string& directory, nn::Module& model,
                   const io::Loader& loader, const RunOptions& options)
    : session_(session),
      recorder_(recorder_of(session, directory, loader, options)),
      times_(session.rank(), session.size()) {
  if (recorder_) name_buckets(model, options);
}

RunWatch::~RunWatch() = default;

void RunWatch::name_buckets(nn::Module& model, const RunOptions& options) {
  if (!options.parallel || options.parallel->buckets() == 0) return;
  const auto& parameters = model.parameters();
  const auto buckets =
      distributed::buckets_of(parameters.layout(), size_of(parameters.gradients().dtype()),
                              options.parallel->bucket_size().bytes);
  for (std::size_t i = 0; i < buckets.size(); ++i)
    recorder_->name_bucket(static_cast<int>(i), name_of(buckets[i], parameters.layout()));
}

std::string RunWatch::remark() {
  const auto all = gather(session_.communicator(), recorder_ ? recorder_->remark() : "");
  int count = 0;
  std::string first;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) continue;
    if (count++ == 0)
      first = fmt::format("rank {} on {}: {}", rank, session_.hosts()[rank], all[rank]);
  }
  if (count == 0) return "";
  const std::string others =
      count == 1 ? "" : fmt::format(" ({} ranks have no flight record)", count);
  return fmt::format(
      "{}{}; the run continues without its flight record, which would say why it "
      "hangs or dies: make the directory writable",
      first, others);
}

void RunWatch::enter(Activity activity) {
  activity_ = activity;
  if (recorder_) recorder_->enter(activity);
}

void RunWatch::proceed() {
  if (recorder_) recorder_->proceed();
}

void RunWatch::end_step(int64_t step, const Seconds& seconds) {
  using P = StepClock;
  if (recorder_) {
    recorder_->end_step(step, {seconds[P::data], seconds[P::forward], seconds[P::backward],
                               seconds[P::communication_exposed], seconds[P::optimizer],
                               seconds[P::checkpoint], 0, 0});
  }
  times_.add({seconds[P::data], seconds[P::forward] + seconds[P::backward],
              seconds[P::communication_exposed], seconds[P::optimizer], seconds[P::checkpoint]});
  enter(Activity::step);
}

void RunWatch::add_validation(double seconds) {
  if (recorder_) recorder_->add_seconds({0, 0, 0, 0, 0, 0, seconds, 0});
}

void RunWatch::end(ExitStatus status) {
  if (recorder_) recorder_->end(static_cast<int>(status));
}

std::optional<RankTimes::Slowest> RunWatch::take_times() {
  times_.take();
  const bool looks = session_.rank() == 0 && ++exchanges_ % kExchangesBetweenLooks == 0;
  return looks ? times_.slowest() : std::nullopt;
}

// A rank counts as a straggler once two looks in a row say so, since others may disturb one.
std::string RunWatch::straggler_line(const RankTimes::Slowest& slowest) {
  const int found = slowest.is_straggler() ? slowest.rank : -1;
  const bool is_confirmed = found == std::exchange(suspect_, found);
  if (!is_confirmed || found == straggler_) return "";
  const int before = std::exchange(straggler_, found);
  const auto& hosts = session_.hosts();
  if (found < 0) {
    return fmt::format("rank {} on {} is no longer slower than the other ranks", before,
                       hosts[static_cast<std::size_t>(before)]);
  }
  const auto of = [&](RankTimes::Phase phase) {
    return fmt::format("{:.3g} s ({:.3g})", slowest.seconds[phase], slowest.median[phase]);
  };
  return fmt::format(
      "rank {} on {} is slow: its own work takes {:.2g} times that of the median rank, and the "
      "others wait for it, mostly because of {}; seconds per step, and of the median rank: data "
      "{}, compute {}, exposed communication {}, optimizer {}, checkpoint {}",
      found, hosts[static_cast<std::size_t>(found)], slowest.score,
      RankTimes::kNames[slowest.phase], of(RankTimes::data), of(RankTimes::compute),
      of(RankTimes::communication_exposed), of(RankTimes::optimizer), of(RankTimes::checkpoint));
}

}  // namespace ripieno
