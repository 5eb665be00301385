#include "ripieno/tools/launch/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "ripieno/core/error.h"
#include "ripieno/tools/launch/decision.h"

namespace ripieno::tools {
namespace {

// In the child, between fork and exec: only functions that are safe after a fork of a process with
// threads.
[[noreturn]] void execute(char* const* words, int errors, const sigset_t& mask, int death_signal,
                          pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, death_signal);
  if (::getppid() != parent) ::_exit(kNotExecutable);  // it ended in between
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(words[0], words);
  const int error = errno;
  const std::string_view why = strerrordesc_np(error);
  const char* parts[] = {"ripieno launch: ", words[0], ": cannot be executed: "};
  for (const char* part : parts) [[maybe_unused]] const ssize_t n = ::write(2, part, strlen(part));
  [[maybe_unused]] const ssize_t n = ::write(2, why.data(), why.size());
  [[maybe_unused]] const ssize_t end = ::write(2, "\n", 1);
  ::_exit(error == ENOENT ? kNotFound : kNotExecutable);
}

// The parent of a process, from /proc/<pid>/stat, whose second field may contain anything but ends
// with the last ')'.
std::optional<pid_t> parent_of(const std::filesystem::path& process) {
  std::ifstream file(process / "stat");
  std::string line;
  std::getline(file, line);
  const auto end = line.rfind(") ");
  if (end == std::string::npos || line.size() < end + 5) return std::nullopt;
  pid_t parent = 0;
  std::from_chars(line.data() + end + 4, line.data() + line.size(), parent);
  return parent;
}

}  // namespace

ProcessEnd end_of(int wait_status) {
  if (WIFSIGNALED(wait_status)) return {.signal = WTERMSIG(wait_status)};
  return {.status = WEXITSTATUS(wait_status)};
}

SignalFile::SignalFile(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (const int signal : signals) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, &former_);
  file_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (file_ < 0) throw StorageError(fmt::format("signalfd: {}", std::strerror(errno)));
}

SignalFile::~SignalFile() { ::close(file_); }

std::optional<SignalFile::Signal> SignalFile::next() {
  signalfd_siginfo info = {};
  if (::read(file_, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  return Signal{static_cast<int>(info.ssi_signo), static_cast<pid_t>(info.ssi_pid)};
}

Child::Child(const std::vector<std::string>& words, const sigset_t& mask, int death_signal) {
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int pipe[2], executed[2];  // the second closes when the program is executed, or has ended
  if (::pipe2(pipe, O_CLOEXEC) != 0 || ::pipe2(executed, O_CLOEXEC) != 0)
    throw StorageError(fmt::format("cannot create a pipe: {}", std::strerror(errno)));
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) execute(arguments.data(), pipe[1], mask, death_signal, parent);
  const int error = errno;
  ::close(pipe[1]);
  ::close(executed[1]);
  errors_ = pipe[0];
  ::fcntl(errors_, F_SETFL, O_NONBLOCK);
  if (pid_ < 0) {
    ::close(errors_);
    ::close(executed[0]);
    throw StorageError(fmt::format("cannot start {}: {}", words[0], std::strerror(error)));
  }
  char none;
  while (::read(executed[0], &none, 1) < 0 && errno == EINTR) continue;
  ::close(executed[0]);
}

Child::~Child() { ::close(errors_); }

void Child::send(int signal) const { ::kill(pid_, signal); }
void Child::send_group(int signal) const { ::kill(-pid_, signal); }

std::string Child::read_errors() {
  std::string text;
  char buffer[4096];
  while (!is_closed_) {
    const ssize_t size = ::read(errors_, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;
    if (size == 0) is_closed_ = true;
    text.append(buffer, static_cast<std::size_t>(size));
    if (text.size() > (1 << 20)) break;  // a program that writes without end
  }
  return text;
}

void wait_for_input(const std::vector<int>& files, std::chrono::milliseconds most) {
  std::vector<pollfd> waited;
  for (const int file : files) waited.push_back({file, POLLIN, 0});
  ::poll(waited.data(), waited.size(), static_cast<int>(most.count()));
}

bool handles(pid_t pid, int signal) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("SigCgt:") && !line.starts_with("SigIgn:")) continue;
    const auto begin = line.find_first_not_of(" \t", 7);
    uint64_t signals = 0;
    if (begin == std::string::npos) continue;
    std::from_chars(line.data() + begin, line.data() + line.size(), signals, 16);
    if ((signals >> (signal - 1) & 1) != 0) return true;
  }
  return false;
}

std::vector<pid_t> descendants() {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr !=
        name.data() + name.size())
      continue;
    if (const auto parent = parent_of(entry->path())) children.emplace(*parent, pid);
  }
  std::vector<pid_t> found = {::getpid()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = children.equal_range(found[i]);
    for (auto child = begin; child != end; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

void adopt_orphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void write_errors(std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(STDERR_FILENO, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
}

void write_remark(const std::string& text) { write_errors("ripieno launch: " + text + "\n"); }

}  // namespace ripieno::tools
