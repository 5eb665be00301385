#include "ripieno/tools/doctor/program_output.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <thread>

namespace ripieno::tools::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostBytes = 64 << 10;

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return std::max(0, static_cast<int>(left.count()));
}

// Whether the writer closed the pipe in time.
bool read_all(int file, Clock::time_point deadline, std::string& text) {
  std::array<char, 4096> buffer;
  for (;;) {
    pollfd events = {file, POLLIN, 0};
    if (::poll(&events, 1, milliseconds_until(deadline)) <= 0) return false;
    const ssize_t bytes = ::read(file, buffer.data(), buffer.size());
    if (bytes <= 0) return true;
    if (text.size() < kMostBytes) text.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
}

std::optional<int> status_of(pid_t process, Clock::time_point deadline) {
  for (int status = 0;;) {
    const pid_t ended = ::waitpid(process, &status, WNOHANG);
    if (ended == process) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (ended < 0 || Clock::now() > deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

// -1 if it cannot be started.
pid_t start(const std::vector<std::string>& words, int output) {
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t process = -1;
  const int error =
      ::posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? process : -1;
}

}  // namespace

std::optional<ProgramOutput> program_output(const std::vector<std::string>& words, double seconds) {
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(seconds));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const pid_t process = start(words, ends[1]);
  ::close(ends[1]);
  ProgramOutput output{.status = 127};
  const bool is_started = process > 0;
  const bool is_whole = is_started && read_all(ends[0], deadline, output.text);
  ::close(ends[0]);
  if (!is_started) return output;
  if (const auto status = is_whole ? status_of(process, deadline) : std::nullopt) {
    output.status = *status;
    return output;
  }
  ::kill(process, SIGKILL);
  status_of(process, Clock::now() + std::chrono::milliseconds(200));
  return std::nullopt;
}

}  // namespace ripieno::tools::doctor
