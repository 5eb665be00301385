#include "ripieno/training/metrics/alert_commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

namespace ripieno {
namespace {

std::string absolute(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

// This process's environment and `variables`.
std::vector<char*> environment_with(const std::vector<std::string>& variables) {
  std::vector<char*> environment;
  for (const auto& variable : variables) environment.push_back(const_cast<char*>(variable.c_str()));
  for (char** entry = environ; entry && *entry; ++entry) environment.push_back(*entry);
  environment.push_back(nullptr);
  return environment;
}

std::string description_of(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

// How the process of a command starts: no open files but the standard streams, no signal handlers,
// no blocked signals, a session of its own.
class SpawnOptions {
 public:
  explicit SpawnOptions(int output) {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnOptions() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

}  // namespace

AlertCommands::AlertCommands(const std::string& run_directory)
    : run_directory_(absolute(run_directory)) {}

std::string AlertCommands::start(const AlertRule& rule, int64_t step, double value) {
  if (rule.command.empty()) return "";
  const auto is_same = [&](const Running& running) { return running.rule == rule.text; };
  if (std::any_of(running_.begin(), running_.end(), is_same))
    return fmt::format(
        "alert {}: its command still runs from an earlier alert, and is not started again",
        rule.text);
  const pid_t process =
      spawn(rule.command, {"RIPIENO_ALERT_RULE=" + rule.text, "RIPIENO_ALERT_METRIC=" + rule.metric,
                           fmt::format("RIPIENO_ALERT_VALUE={}", value),
                           fmt::format("RIPIENO_ALERT_STEP={}", step),
                           "RIPIENO_RUN_DIRECTORY=" + run_directory_});
  if (process < 0)
    return fmt::format("alert {}: cannot start its command: {}", rule.text, std::strerror(errno));
  running_.push_back({process, rule.text});
  return "";
}

// Without a log, output goes to /dev/null.
int AlertCommands::open_log() {
  const std::string log = run_directory_ + "/alerts.log";
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (std::exchange(has_log_, output >= 0) && !has_log_)
    lines_.push_back(fmt::format("cannot open {}: {}; commands of alerts run without it", log,
                                 std::strerror(errno)));
  return has_log_ ? output : ::open("/dev/null", O_WRONLY | O_CLOEXEC);
}

// Returns -1 and sets errno if it fails.
pid_t AlertCommands::spawn(const std::string& command, const std::vector<std::string>& variables) {
  const int output = open_log();
  const SpawnOptions options(output);
  const char* words[] = {"sh", "-c", command.c_str(), nullptr};
  auto environment = environment_with(variables);
  pid_t process = -1;
  const int error = ::posix_spawn(&process, "/bin/sh", &options.files, &options.attributes,
                                  const_cast<char**>(words), environment.data());
  if (output >= 0) ::close(output);
  errno = error;
  return error == 0 ? process : -1;
}

std::vector<std::string> AlertCommands::failures() {
  std::vector<std::string> lines = std::exchange(lines_, {});
  std::erase_if(running_, [&](const Running& running) {
    int status = 0;
    const pid_t ended = ::waitpid(running.process, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
    if (ended > 0 && status != 0)
      lines.push_back(fmt::format("alert {}: its command {}; see alerts.log in the run directory",
                                  running.rule, description_of(status)));
    return true;
  });
  return lines;
}

std::vector<std::string> AlertCommands::failures_within(double seconds) {
  constexpr std::chrono::milliseconds kPause(5);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::vector<std::string> lines = failures();
  while (!running_.empty() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kPause);
    for (auto& line : failures()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace ripieno
