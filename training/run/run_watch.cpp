#include "ripieno/training/run/run_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>
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
constexpr int64_t kStepsBetweenReads = 16;  // a read of the processor wait costs a microsecond
constexpr double kSharedProcessor = 0.1;

uint64_t random_start(Session& session) {
  std::random_device device;
  const uint64_t mine = uint64_t{device()} << 32 | device();
  return std::stoull(from_rank_0(session.communicator(), std::to_string(mine)));
}

std::unique_ptr<watch::Recorder> recorder_of(Session& session, const RunWatchOptions& options) {
  const uint64_t start = random_start(session);
  const Affinity processors = affinity();
  std::unique_ptr<watch::Recorder> recorder;
  session.together([&] {
    recorder = watch::Recorder::create({.run_directory = options.directory,
                                        .start = start,
                                        .rank = session.rank(),
                                        .size = session.size(),
                                        .local_rank = session.communicator().local_rank(),
                                        .compute_threads = kernels::cpu_threads(),
                                        .reader_threads = options.reader_threads,
                                        .cores = processors.count,
                                        .processors = processors.processors,
                                        .device = to_string(session.device()),
                                        .watch = options.watch,
                                        .messages = options.messages});
  });
  return recorder;
}

// Whether the ranks of some host have more compute threads than that host has cores for them. A
// collective.
bool has_crowded_host(Session& session) {
  const auto all =
      gather(session.communicator(), fmt::format("{} {}", kernels::cpu_threads(), affinity().list));
  struct Host {
    int threads = 0;
    std::set<int> processors = {};
  };
  std::map<std::string, Host> hosts;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    auto& host = hosts[session.hosts()[rank]];
    std::istringstream numbers(all[rank]);
    int threads = 0;
    numbers >> threads;
    host.threads += threads;
    for (int processor = 0; numbers >> processor;) host.processors.insert(processor);
  }
  return std::any_of(hosts.begin(), hosts.end(), [](const auto& host) {
    return host.second.threads > std::ssize(host.second.processors);
  });
}

// "0.012 s (0.002)": of a rank, and of the median rank.
std::string seconds_text(double seconds, double median) {
  return fmt::format("{:.3g} s ({:.3g})", seconds, median);
}

}  // namespace

RunWatch::RunWatch(Session& session, nn::Module& model, const RunWatchOptions& options)
    : session_(session),
      recorder_(recorder_of(session, options)),
      times_(session.rank(), session.size()),
      has_crowded_host_(has_crowded_host(session)) {
  if (recorder_) name_buckets(model, options.parallel);
}

RunWatch::~RunWatch() = default;

void RunWatch::name_buckets(nn::Module& model, const distributed::DataParallel* parallel) {
  if (!parallel || parallel->buckets() == 0) return;
  const auto& parameters = model.parameters();
  const auto buckets = distributed::buckets_of(
      parameters.layout(), size_of(parameters.gradients().dtype()), parallel->bucket_size().bytes);
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
  if (steps_++ % kStepsBetweenReads == 0) read_processor_wait();
  enter(Activity::step);
}

void RunWatch::read_processor_wait() {
  const auto seconds = processor_wait_.seconds();
  if (!seconds) return;
  const Wait now = {std::chrono::steady_clock::now(), *seconds};
  const int64_t before = reads_++;
  if (before > 0) {
    times_.add_processor_wait(now.seconds - waits_[(before - 1) % kReads].seconds);
    const Wait& first = before < kReads ? waits_[0] : waits_[before % kReads];
    const double passed = std::chrono::duration<double>(now.time - first.time).count();
    const double share = passed > 0 ? (now.seconds - first.seconds) / passed : 0;
    if (recorder_) recorder_->set_processor_wait(now.seconds, std::min(1.0, share));
  }
  waits_[before % kReads] = now;
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

std::string RunWatch::straggler_line(const RankTimes::Slowest& slowest) {
  const int found = slowest.is_straggler() ? slowest.rank : kNone;
  const int before = straggler_.reported();
  if (!straggler_.look(found)) return "";
  const auto& hosts = session_.hosts();
  if (found < 0) {
    return fmt::format("rank {} on {} is no longer slower than the other ranks", before,
                       hosts[static_cast<std::size_t>(before)]);
  }
  const auto of = [&](RankTimes::Phase phase) {
    return seconds_text(slowest.seconds[phase], slowest.median[phase]);
  };
  const std::string shared =
      slowest.processor_wait < kSharedProcessor
          ? ""
          : fmt::format(
                "; it waited {:.0f} % of its time for a processor, which other processes or "
                "threads used",
                100 * slowest.processor_wait);
  return fmt::format(
      "rank {} on {} is slow: its own work takes {:.2g} times that of the median rank, and the "
      "others wait for it, mostly because of {}; seconds per step, and of the median rank: data "
      "{}, compute {}, exposed communication {}, optimizer {}, checkpoint {}{}",
      found, hosts[static_cast<std::size_t>(found)], slowest.score,
      RankTimes::kNames[slowest.phase], of(RankTimes::data), of(RankTimes::compute),
      of(RankTimes::communication_exposed), of(RankTimes::optimizer), of(RankTimes::checkpoint),
      shared);
}

std::string RunWatch::communication_line() {
  const auto communication = times_.communication();
  if (!communication || has_crowded_host_) return "";
  const bool is_slow = communication->is_slow();
  if (!slow_network_.look(is_slow)) return "";
  if (!is_slow) return "communication no longer takes most of each step";
  return fmt::format(
      "communication takes {:.0f} % of each step on all ranks ({:.3g} s of {:.3g}): check the "
      "rate of the links and the chosen interface, or send less (larger train.batch_size, "
      "parallel.wire=bfloat16)",
      100 * communication->share, communication->seconds, communication->step);
}

std::string RunWatch::slow_shard_line(const RunSaves::ShardTimes& times) {
  const int found = times.has_slow_rank() ? times.slowest : kNone;
  if (!slow_writer_.look(found) || found < 0) return "";
  return fmt::format(
      "rank {} on {} is slow to save: its part of a checkpoint takes {}, in parentheses the median "
      "rank's, and training waited for {:.0f} % of the time since the save before; check the "
      "storage of the run directory from that host",
      found, session_.hosts()[static_cast<std::size_t>(found)],
      seconds_text(times.seconds, times.median), 100 * times.waited);
}

}  // namespace ripieno
