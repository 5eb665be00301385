#include "ripieno/tools/doctor/job.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <future>
#include <iterator>
#include <memory>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/tools/doctor/checks/ranks.h"
#include "ripieno/tools/doctor/exchange.h"
#include "ripieno/tools/doctor/letters.h"
#include "ripieno/tools/doctor/links.h"
#include "ripieno/tools/doctor/mpi_job.h"
#include "ripieno/tools/doctor/report.h"
#include "ripieno/tools/doctor/speeds.h"
#include "ripieno/tools/doctor/within.h"
#include "ripieno/tools/table.h"
#include "ripieno/training/session/build_identity.h"

namespace ripieno::tools::doctor {
namespace {

using Clock = std::chrono::steady_clock;

// When each stage must have ended, in seconds after the start.
constexpr double kStartOfMpi = 8, kIntroduced = 13, kSeen = 17, kLinked = 20, kSummed = 23,
                 kReported = 26, kFinished = 29;

// The wall clock minus the monotonic one: constant unless somebody sets the former.
double clock_difference() {
  timespec wall = {}, monotonic = {};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
  return static_cast<double>(wall.tv_sec - monotonic.tv_sec) +
         static_cast<double>(wall.tv_nsec - monotonic.tv_nsec) / 1e9;
}

std::vector<Interface> usable(const std::vector<Interface>& all) {
  std::vector<Interface> interfaces;
  for (const auto& interface : all) {
    if (interface.address >> 24 != 127 && !is_local_bridge(interface.name))
      interfaces.push_back(interface);
  }
  return interfaces;
}

std::string build_of_this_process() {
  const auto identity = build_identity();
  return fmt::format("{} with {} kernels {}", identity.program.substr(0, 12), identity.level,
                     identity.kernels.substr(0, 12));
}

class Examination {
 public:
  explicit Examination(const DoctorOptions& options) : options_(options), mpi_(start_mpi()) {
    local_ = examining_.get();
    // Started by the launcher of another MPI, each rank finds itself alone.
    if (mpi_->size() == 1) self_.size = 1;
    exchange_ = std::make_unique<Exchange>(self_, local_.storage.directory, *mpi_);
    local_.host.ranks = self_.size;
    local_.host.mpi.world = mpi_->size();
  }

  // Whether this is the rank that reports.
  bool is_first() const { return self_.rank == 0; }

  Examined run() {
    if (self_.size > 1) {
      meet();
      measure_links();
      sum();
    }
    local_.host.mpi.failure = mpi_->failure();
    local_.host.clock_jump_seconds = clock_difference() - clock_difference_at_start_;
    return gather_reports();
  }

  void finish() { exchange_->finish(at(kFinished)); }

 private:
  Clock::time_point at(double seconds) const {
    return start_ +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  double seconds_until(double seconds) const {
    return std::max(0.1, std::chrono::duration<double>(at(seconds) - Clock::now()).count());
  }

  // While MPI starts, this host is examined.
  std::unique_ptr<MpiJob> start_mpi() {
    const bool examines_files = self_.local_rank == 0;
    examining_ = std::async(std::launch::async, [options = options_, examines_files] {
      return examine_here(options, examines_files);
    });
    return std::make_unique<MpiJob>(kStartOfMpi);
  }

  void meet() {
    const Introduction mine{
        {host_name(), usable(local_.host.network.interfaces), server_.port(), server_.token()},
        self_.local_rank};
    const auto texts = exchange_->gather(text_of(mine), at(kIntroduced));
    facts_.has_written = exchange_->has_written();
    if (self_.local_rank == 0) facts_.unseen = exchange_->unseen(soon());
    int on_host = 0;
    for (std::size_t rank = 0; rank < texts.size(); ++rank) {
      if (texts[rank].empty()) continue;
      const auto introduction = introduction_in(texts[rank]);
      on_host += introduction.end.host == mine.end.host;
      if (introduction.local_rank != 0) continue;
      if (static_cast<int>(rank) == self_.rank) own_index_ = static_cast<int>(ends_.size());
      ends_.push_back(introduction.end);
    }
    local_.host.ranks_on_host = on_host;
  }

  // Network file systems show a new file after a few seconds.
  Clock::time_point soon() const {
    return std::min(at(kSeen), Clock::now() + std::chrono::seconds(4));
  }

  // All hosts begin a round at the same time, so that a host measures one link at a time.
  void measure_links() {
    const int hosts = static_cast<int>(ends_.size());
    if (own_index_ < 0 || hosts < 2) return;
    const auto partners = partners_of(own_index_, hosts);
    const double all = std::min(seconds_until(kLinked), 5.0);
    const double slot = std::min(1.0, all / static_cast<double>(partners.size()));
    const auto begin = Clock::now();
    for (std::size_t round = 0; round < partners.size(); ++round) {
      std::this_thread::sleep_until(
          begin + std::chrono::duration_cast<Clock::duration>(
                      std::chrono::duration<double>(static_cast<double>(round) * slot)));
      const int partner = partners[round];
      if (partner < own_index_ || Clock::now() > at(kLinked)) continue;
      facts_.links.push_back(measure_link(ends_[static_cast<std::size_t>(own_index_)],
                                          ends_[static_cast<std::size_t>(partner)], slot / 4));
    }
  }

  void sum() {
    const auto facts = std::make_shared<AllReduceFacts>();
    const bool is_measured =
        mpi_->run(seconds_until(kSummed),
                  [facts](distributed::Communicator& all) { *facts = measure_all_reduce(all); });
    if (is_measured) all_reduce_ = *facts;
  }

  Examined gather_reports() {
    facts_.host = local_.host.host;
    facts_.build = build_of_this_process();
    if (local_.data) facts_.fingerprint = local_.data->fingerprint;
    RankReport mine{.facts = facts_, .findings = {}};
    if (self_.local_rank == 0 || is_first()) mine.findings = findings_of(local_);
    // The other ranks wait in the exchange, and leave the processors to this one.
    if (is_first() && !options_.calibration_file.empty()) calibration_ = calibrate();
    const auto texts = exchange_->gather(text_of(mine), at(kReported));
    if (!is_first()) return {};
    return merge(texts);
  }

  // Of hosts other than the first only what is wrong with them.
  Examined merge(const std::vector<std::string>& texts) {
    JobFacts job{.ranks = {}, .all_reduce = all_reduce_, .link_gbits = options_.link_gbits};
    Examined examined;
    std::vector<std::vector<Finding>> of_hosts;
    for (const auto& text : texts) {
      if (text.empty()) {
        job.ranks.push_back({.has_reported = false});
        continue;
      }
      auto report = report_in(text);
      const bool is_first_report = job.ranks.empty();
      for (const auto& finding : report.findings) {
        if (is_first_report || finding.severity > Severity::not_checked)
          examined.findings.push_back(finding);
      }
      const auto known = hosts_of(job);
      if (std::find(known.begin(), known.end(), report.facts.host) == known.end())
        of_hosts.push_back(report.findings);
      job.ranks.push_back(std::move(report.facts));
    }
    finish_report(job, of_hosts, examined);
    return examined;
  }

  void finish_report(const JobFacts& job, const std::vector<std::vector<Finding>>& of_hosts,
                     Examined& examined) {
    const auto hosts = hosts_of(job);
    if (self_.size > 1) {
      auto findings = check_job(job);
      std::move(findings.begin(), findings.end(), std::back_inserter(examined.findings));
    }
    examined.title = fmt::format(
        "{} on {}: {}", counted(self_.size, "rank"), counted(std::ssize(hosts), "host"),
        fmt::join(hosts.begin(), hosts.begin() + std::min<std::ptrdiff_t>(std::ssize(hosts), 8),
                  ", "));
    examined.excluded = hosts_to_exclude(job, of_hosts);
    examined.calibration = calibration_;
  }

  Calibration calibrate() const {
    const int allowed = affinity().count;
    const double quota = local_.host.limits.quota.processors.value_or(allowed);
    const int cores = std::clamp(static_cast<int>(quota), 1, std::max(1, allowed));
    const Speeds speeds = measure_speeds(cores);
    Calibration calibration{.host = local_.host.host,
                            .cores = cores,
                            .gflops = speeds.gflops,
                            .gflops_of_one_core = speeds.gflops_of_one_core,
                            .memory_gb_per_second = speeds.memory_gb_per_second};
    if (all_reduce_) {
      calibration.links.push_back(
          {.ranks = self_.size,
           .latency_seconds = latency_of(*all_reduce_, self_.size),
           .bytes_per_second = bytes_per_second_of(*all_reduce_, self_.size)});
    }
    calibration.storage = {local_.storage.write_bytes_per_second,
                           local_.storage.read_bytes_per_second};
    return calibration;
  }

  const DoctorOptions& options_;
  const Clock::time_point start_ = Clock::now();
  const double clock_difference_at_start_ = clock_difference();
  LaunchedRank self_ = launched_rank_of_this_process();
  LinkServer server_;
  std::future<LocalFacts> examining_;
  std::unique_ptr<MpiJob> mpi_;  // initialized after what start_mpi() uses
  LocalFacts local_ = {};
  std::unique_ptr<Exchange> exchange_;
  RankFacts facts_;
  std::vector<LinkEnd> ends_;  // one for each host
  int own_index_ = -1;         // in `ends_`; -1: another rank of this host measures
  std::optional<AllReduceFacts> all_reduce_;
  Calibration calibration_;
};

}  // namespace

bool examine_job(const DoctorOptions& options, const std::function<void(const Examined&)>& report) {
  Examination examination(options);
  const auto examined = examination.run();
  if (examination.is_first()) report(examined);
  examination.finish();
  return has_problem(examined.findings);
}

}  // namespace ripieno::tools::doctor
