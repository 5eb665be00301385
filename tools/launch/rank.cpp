#include "ripieno/tools/launch/rank.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include "ripieno/core/host_name.h"
#include "ripieno/tools/launch/last_line.h"
#include "ripieno/tools/launch/process.h"
#include "ripieno/tools/launch/rank_record.h"

namespace ripieno::tools {
namespace {

using std::chrono::milliseconds;

const std::vector<int> kForwarded = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGUSR1,
                                     SIGUSR2, SIGXCPU, SIGALRM, SIGPWR,  SIGCONT};
constexpr double kMostStartSeconds = 10;
constexpr milliseconds kAliveInterval{1000};
constexpr milliseconds kPollInterval{5000};

int number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

// Runs `action` on a thread of its own, and returns after at most `most` whether it has ended:
// storage that does not answer must not keep a rank from ending.
void try_for(std::chrono::seconds most, std::function<void()> action) {
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  std::thread([done, run = std::move(action)] {
    run();
    done->set_value();
  }).detach();
  future.wait_for(most);
}

// On the first rank of each host: tells the launcher that the host is alive, and of notices.
void report_host(const RankOptions& options, const std::string& host) {
  const AttemptFolder folder(options.folder);
  const bool polls = options.notices != Cloud::none && host != options.launcher_host;
  NoticeService service(options.notices, options.notices_url);
  auto next_poll = std::chrono::steady_clock::now();
  for (uint64_t count = 1;; ++count) {
    folder.write_alive(host, count);
    if (polls && std::chrono::steady_clock::now() >= next_poll) {
      if (const auto notice = service.poll()) folder.write_notice(host, notice->text());
      next_poll = std::chrono::steady_clock::now() + kPollInterval;
    }
    std::this_thread::sleep_for(kAliveInterval);
  }
}

// Open MPI removes its files itself unless it is killed; what then remains is removed by the next
// attempt on this host. Names of attempts end with .<number>.
void make_temporary(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::create_directories(path, ignored);
  const fs::path own(path);
  const std::string launch = own.stem();
  for (fs::directory_iterator entry(own.parent_path(), ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    std::error_code not_removed;
    if (entry->path() != own && entry->path().stem() == launch)
      fs::remove_all(entry->path(), not_removed);
  }
}

class Rank {
 public:
  explicit Rank(const RankOptions& options)
      : options_(options), folder_(options.folder), signals_(kForwarded) {
    rank_.rank = number_in_environment("OMPI_COMM_WORLD_RANK");
    rank_.host = host_name();
  }

  int run() {
    if (!options_.temporary.empty()) make_temporary(options_.temporary);
    child_ = std::make_unique<Child>(options_.program, signals_.former_mask(), SIGKILL);
    rank_.pid = child_->pid();
    record([this] { folder_.write_started(rank_); });
    if (number_in_environment("OMPI_COMM_WORLD_LOCAL_RANK") == 0)
      std::thread(report_host, options_, rank_.host).detach();
    while (!has_ended_) {
      const bool waits_to_forward = held_signal_ != 0;
      wait_for_input({signals_.file(), child_->is_closed() ? -1 : child_->errors()},
                     milliseconds(waits_to_forward ? 20 : 1000));
      forward_errors();
      while (const auto signal = signals_.next()) handle(signal->number);
      forward_held_signal();
    }
    forward_errors();
    return end();
  }

 private:
  void record(const std::function<void()>& write) {
    if (!options_.folder.empty()) try_for(std::chrono::seconds(3), write);
  }

  void forward_errors() {
    const std::string text = child_->read_errors();
    write_errors(text);
    last_line_.add(text);
  }

  void handle(int signal) {
    if (signal == SIGCHLD) return reap();
    if (signal == SIGCONT) return child_->send_group(SIGCONT);
    if (signal == SIGUSR1 || signal == SIGUSR2) {
      if (held_signal_ == 0) held_since_ = monotonic_seconds();
      held_signal_ = signal;
      return;
    }
    if (signal == SIGTERM) rank_.asked_to_end = true;
    child_->send_group(signal);
  }

  void forward_held_signal() {
    if (held_signal_ == 0 || has_ended_) return;
    bool is_sent = false;
    for (const pid_t pid : descendants()) {  // the program may have been started by a script
      if (!handles(pid, held_signal_)) continue;
      ::kill(pid, held_signal_);
      is_sent = true;
    }
    const bool is_late = monotonic_seconds() - held_since_ > kMostStartSeconds;
    if (!is_sent && is_late) child_->send_group(SIGTERM);
    if (is_sent || is_late) held_signal_ = 0;
  }

  void reap() {
    int status = 0;
    while (true) {
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return;
      if (pid != child_->pid()) continue;
      const ProcessEnd ended = end_of(status);
      rank_.status = ended.status;
      rank_.signal = ended.signal;
      has_ended_ = true;
    }
  }

  int end() {
    rank_.time = epoch_seconds();
    rank_.last_words = last_line_.text();
    record([this] { folder_.write_ended(rank_); });
    if (rank_.signal == 0) return rank_.status;
    const rlimit no_core = {0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(rank_.signal, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, rank_.signal);
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
    ::kill(::getpid(), rank_.signal);
    return 128 + rank_.signal;
  }

  const RankOptions& options_;
  const AttemptFolder folder_;
  SignalFile signals_;
  std::unique_ptr<Child> child_;
  RankEnd rank_;
  LastLine last_line_;
  bool has_ended_ = false;
  int held_signal_ = 0;
  double held_since_ = 0;
};

}  // namespace

int run_rank(const RankOptions& options) { return Rank(options).run(); }

}  // namespace ripieno::tools
