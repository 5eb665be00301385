#include "ripieno/tools/launch/launch.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "ripieno/core/host_name.h"
#include "ripieno/tools/launch/attempt.h"
#include "ripieno/tools/launch/mpirun/mpirun_command.h"
#include "ripieno/tools/launch/progress.h"
#include "ripieno/tools/shell_line.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

namespace fs = std::filesystem;

// Signals with which schedulers, containers and shells end a process.
const std::vector<int> kStopSignals = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGUSR1,
                                       SIGUSR2, SIGXCPU, SIGALRM, SIGPWR};
constexpr double kPauseSeconds = 5;  // before a restart after one in vain

std::optional<std::string> of_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int cores() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

// GPUs of this host that a rank can use, without asking their driver.
int gpus() {
  if (const auto visible = of_environment("CUDA_VISIBLE_DEVICES"))
    return visible->empty()
               ? 0
               : static_cast<int>(std::count(visible->begin(), visible->end(), ',')) + 1;
  std::error_code error;
  int count = 0;
  for (fs::directory_iterator entry("/proc/driver/nvidia/gpus", error), end; !error && entry != end;
       entry.increment(error))
    ++count;
  return count;
}

std::vector<Host> hosts_of(const LaunchOptions& options) {
  auto hosts = find_hosts(options.host_file, of_environment);
  return options.exclude_file.empty() ? hosts
                                      : without_excluded(std::move(hosts), options.exclude_file);
}

std::string own_path() { return fs::read_symlink("/proc/self/exe"); }

// For the ranks, whose report says what the run cost (training/settings/environment.h).
void export_prices(const Prices& prices) {
  const auto set = [](const char* name, double price) {
    if (price > 0) ::setenv(name, fmt::format("{}", price).c_str(), 1);
  };
  set("RIPIENO_USD_PER_RANK_HOUR", prices.per_gpu_hour);
  set("RIPIENO_USD_PER_HOST_HOUR", prices.per_host_hour);
}

class Launch {
 public:
  explicit Launch(const LaunchOptions& options)
      : options_(options),
        run_directory_(options.run_directory.empty()
                           ? run_directory_in(options.program).value_or("")
                           : options.run_directory),
        hosts_(hosts_of(options)),
        uses_other_hosts_(hosts_.size() > 1 ||
                          (hosts_.size() == 1 && !is_this_host(hosts_[0].name))),
        budget_(options.budget, options.prices) {
    ranks_ = options.ranks.value_or(hosts_.empty() ? std::max(1, gpus()) : slots_of(hosts_));
    check();
    name_ = fmt::format("{}/ripieno_launch_{}_{}", shared_memory(), host_name(), ::getpid());
  }

  int run() {
    export_prices(options_.prices);
    if (options_.dry_run) {
      fmt::print("{}\n", shell_line(words(hosts_, 1)));
      return 0;
    }
    SignalFile signals(kStopSignals);
    adopt_orphans();
    RunWatch run(run_directory_);
    NoticeWatch notices(options_.notices, options_.notices_url);
    SaveWarning warning(options_.notices);
    StopRequest stop;
    const int status = attempts({signals, run, notices, warning, budget_, stop});
    if (options_.budget.hours || options_.prices.per_gpu_hour > 0 ||
        options_.prices.per_host_hour > 0)
      write_remark("spent " + budget_.spent(monotonic_seconds()));
    print_failures();
    return stop.ends_at_once() != 0 ? 128 + stop.ends_at_once() : status;
  }

 private:
  void check() const {
    if (!hosts_.empty() && ranks_ > slots_of(hosts_)) {
      throw UsageError(fmt::format("-n {}: the hosts have {} slots; list more slots or hosts",
                                   ranks_, slots_of(hosts_)));
    }
    if (options_.limits.min_ranks > ranks_) {
      throw UsageError(fmt::format("--min-ranks {}: must be at most the number of ranks, {}",
                                   options_.limits.min_ranks, ranks_));
    }
    if (uses_other_hosts_ && run_directory_.empty()) {
      throw UsageError(
          "the run directory is unknown: the program has neither --run-dir nor --config; pass "
          "--run-dir DIR, on storage that all hosts share, before --");
    }
  }

  static std::string shared_memory() { return fs::is_directory("/dev/shm") ? "/dev/shm" : "/tmp"; }

  // Where the ranks of the next attempt record how they end.
  std::string next_folder(int attempt) const {
    if (run_directory_.empty()) return fmt::format("{}.records.{}", name_, attempt);
    return next_attempt_folder(run_directory_);
  }

  std::vector<std::string> words(const std::vector<Host>& hosts, int attempt,
                                 const std::string& folder) const {
    AttemptCommand command;
    command.ranks = ranks_on(hosts);
    if (uses_other_hosts_) {
      command.hosts = hosts;
      command.network = options_.interfaces.empty()
                            ? choose_network(interfaces_of_this_host(), addresses_of(hosts))
                            : NetworkChoice{"if_include", options_.interfaces};
      command.exported = exported_variables(environ);
    }
    int most = command.hosts.empty() ? command.ranks : 0;
    for (const auto& host : command.hosts) most = std::max(most, host.slots);
    command.exceeds_cores = most > cores();
    command.is_root = ::geteuid() == 0;
    command.temporary = fmt::format("{}.{}", name_, attempt);
    command.more_options = options_.mpirun_options;
    command.program = options_.program;
    return words_of(command, wrapper(folder, command.temporary));
  }

  std::vector<std::string> words(const std::vector<Host>& hosts, int attempt) const {
    return words(hosts, attempt, next_folder(attempt));
  }

  std::vector<std::string> wrapper(const std::string& folder, const std::string& temporary) const {
    std::vector<std::string> start = {own_path(), "--rank-of", folder, "--temporary", temporary};
    const auto name = cloud_option(options_.notices);
    start.insert(start.end(), {"--notices", name});
    if (options_.notices != Cloud::none) {
      start.insert(start.end(), {"--launcher-host", host_name()});
      if (!options_.notices_url.empty())
        start.insert(start.end(), {"--notices-url", options_.notices_url});
    }
    start.emplace_back("--");
    return start;
  }

  static std::string cloud_option(Cloud cloud) {
    return cloud == Cloud::aws     ? "aws"
           : cloud == Cloud::gcp   ? "gcp"
           : cloud == Cloud::azure ? "azure"
                                   : "off";
  }

  int ranks_on(const std::vector<Host>& hosts) const {
    return hosts.empty() ? ranks_ : std::min(ranks_, slots_of(hosts));
  }

  int attempts(LaunchWatch watch) {
    std::vector<Host> hosts = hosts_;
    History history;
    for (int attempt = 1;; ++attempt) {
      const AttemptEnd end = run_attempt(watch, hosts, attempt);
      Decision decision = decide(end, hosts_, options_.limits, history);
      if (!decision.restart) {
        note_end(end, decision);
        return decision.status;
      }
      hosts = decision.hosts;
      const int ranks = ranks_on(hosts);
      write_remark(
          fmt::format("attempt {} ended: {}; restarting on {} rank{} from the newest checkpoint",
                      attempt, cause_of(end), ranks, ranks == 1 ? "" : "s"));
      if (history.in_vain > 0) pause(watch);
      if (watch.stop.is_asked()) return static_cast<int>(ExitStatus::run_again);
    }
  }

  AttemptEnd run_attempt(LaunchWatch& watch, const std::vector<Host>& hosts, int attempt) {
    const std::string folder = next_folder(attempt);
    make_attempt_folder(folder);
    watch.run.follow(AttemptFolder(folder));
    const int ranks = ranks_on(hosts);
    budget_.use(ranks, std::max<int>(1, static_cast<int>(hosts.size())), monotonic_seconds());
    const auto command = words(hosts, attempt, folder);
    write_remark(shell_line(command));
    const AttemptEnd end =
        Attempt(watch, command, ranks, uses_other_hosts_ ? hosts : std::vector<Host>()).run();
    for (const auto& host : end.lost) AttemptFolder(folder).write_lost(host);
    std::error_code ignored;
    fs::remove_all(fmt::format("{}.{}", name_, attempt), ignored);
    if (run_directory_.empty()) fs::remove_all(folder, ignored);
    return end;
  }

  // "rank 1 on h2 (pid 4711) was killed by signal 9 (Killed)"
  static std::string cause_of(const AttemptEnd& end) {
    if (!end.lost.empty()) return fmt::format("host {} was lost", fmt::join(end.lost, ", "));
    if (!end.leaving.empty())
      return fmt::format("host {} is about to end", fmt::join(end.leaving, ", "));
    const auto causes = by_cause(end.ranks);
    return causes.empty() ? fmt::format("status {}", end.status) : text_of(causes.front());
  }

  static std::string text_of(const RankEnd& rank) {
    return fmt::format("rank {} on {}{} {}{}{}", rank.rank, rank.host,
                       rank.pid > 0 ? fmt::format(" (pid {})", rank.pid) : "", description(rank),
                       rank.last_words.empty() ? "" : ": ", rank.last_words);
  }

  // Keeps what print_failures() prints.
  void note_end(const AttemptEnd& end, const Decision& decision) {
    if (decision.status == 0 || decision.status == static_cast<int>(ExitStatus::run_again)) return;
    const auto causes = by_cause(end.ranks);
    const bool is_lost = !end.lost.empty();
    for (std::size_t i = is_lost ? 0 : 1; i < causes.size(); ++i)
      failures_.push_back("consequence: " + text_of(causes[i]));
    std::string reason = decision.reason;
    if (run_directory_.empty() && !end.finished_a_step && !is_final(decision.status))
      reason = "not restarted, because its run directory is unknown; pass --run-dir";
    failures_.push_back(fmt::format("{}: {}", is_lost ? "lost" : "first error", cause_of(end)));
    write_remark(fmt::format("ends with status {}: {}", decision.status, reason));
  }

  // The cause last, so that it is what a terminal shows.
  void print_failures() const {
    for (const auto& failure : failures_) write_remark(failure);
  }

  // Whatever arrives meanwhile is not lost.
  static void pause(LaunchWatch& watch) {
    const double until = monotonic_seconds() + kPauseSeconds;
    while (monotonic_seconds() < until && !watch.stop.is_asked()) {
      wait_for_input({watch.signals.file()}, std::chrono::milliseconds(200));
      while (const auto signal = watch.signals.next()) {
        if (signal->number != SIGCHLD) watch.stop.take_signal(signal->number, monotonic_seconds());
      }
      while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
      if (const auto notice = watch.notices.notice()) watch.stop.ask(notice->text());
    }
  }

  const LaunchOptions& options_;
  const std::string run_directory_;
  const std::vector<Host> hosts_;
  const bool uses_other_hosts_;
  int ranks_ = 1;
  std::string name_;  // of temporary folders; attempts append .<number>
  Budget budget_;
  std::vector<std::string> failures_;
};

}  // namespace

int launch(const LaunchOptions& options) { return Launch(options).run(); }

}  // namespace ripieno::tools
