#include "ripieno/training/metrics/alert_commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

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
  const auto is_same = [&](const Running& running) { return running.command == rule.command; };
  if (std::any_of(running_.begin(), running_.end(), is_same))
    return fmt::format(
        "alert {}: its command still runs from an earlier alert, and is not started again: {}",
        rule.text, rule.command);
  const pid_t process =
      spawn(rule.command, {"RIPIENO_ALERT_RULE=" + rule.text, "RIPIENO_ALERT_METRIC=" + rule.metric,
                           fmt::format("RIPIENO_ALERT_VALUE={}", value),
                           fmt::format("RIPIENO_ALERT_STEP={}", step),
                           "RIPIENO_RUN_DIRECTORY=" + run_directory_});
  if (process < 0)
    return fmt::format("alert {}: cannot start its command: {}: {}", rule.text,
                       std::strerror(errno), rule.command);
  running_.push_back({process, rule.command});
  return "";
}

// Returns -1 and sets errno if it fails.
pid_t AlertCommands::spawn(const std::string& command,
                           const std::vector<std::string>& variables) const {
  const std::string log = run_directory_ + "/alerts.log";
  int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (output < 0) output = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
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
  std::vector<std::string> lines;
  std::erase_if(running_, [&](const Running& running) {
    int status = 0;
    const pid_t ended = ::waitpid(running.process, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
    if (ended > 0 && status != 0)
      lines.push_back(
          fmt::format("the command of an alert {}; see alerts.log in the run "
                      "directory: {}",
                      description_of(status), running.command));
    return true;
  });
  return lines;
}

}  // namespace ripieno
