#include "ripieno/training/provenance/git_state.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string_view>
#include <vector>

namespace ripieno {
namespace {

using Clock = std::chrono::steady_clock;

// Of a repository with very many changed files; the first lines suffice.
constexpr std::size_t kMostOutput = std::size_t{1} << 16;

// Starts `words` without input and messages. Its output can be read from `output`. False if there
// is no such program.
bool start(const std::vector<std::string>& words, pid_t& process, int& output) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int failure = ::posix_spawnp(&process, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  output = ends[0];
  if (failure != 0) ::close(output);
  return failure == 0;
}

// What it writes until it ends, or until `end`. False if it did not end in time.
bool read_until(Clock::time_point end, int output, std::string& text) {
  char buffer[4096];
  while (text.size() < kMostOutput) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    pollfd ready = {.fd = output, .events = POLLIN, .revents = 0};
    const int count = ::poll(&ready, 1, static_cast<int>(left));
    if (count < 0 && errno != EINTR) return false;
    if (count <= 0) continue;
    const ssize_t got = ::read(output, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return true;
}

// The output of a program that succeeds within the limit.
std::optional<std::string> output_of(const std::vector<std::string>& words, double limit_seconds) {
  const auto limit = std::chrono::duration<double>(limit_seconds);
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit);
  pid_t process = 0;
  int output = -1;
  if (!start(words, process, output)) return std::nullopt;
  std::string text;
  const bool has_ended = read_until(end, output, text);
  ::close(output);
  const bool is_cut = text.size() >= kMostOutput;
  if (!has_ended || is_cut) ::kill(process, SIGKILL);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  const bool has_succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!has_ended || (!has_succeeded && !is_cut)) return std::nullopt;
  return text;
}

}  // namespace

std::optional<GitState> git_state(const std::string& directory, double limit_seconds) {
  const auto text =
      output_of({"git", "--no-optional-locks", "-C", directory, "status", "--porcelain=v2",
                 "--branch", "--untracked-files=no", "--ignore-submodules=none"},
                limit_seconds);
  if (!text) return std::nullopt;
  GitState state;
  std::string_view rest = *text;
  constexpr std::string_view kCommit = "# branch.oid ", kBranch = "# branch.head ";
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.starts_with(kCommit)) state.commit = line.substr(kCommit.size());
    if (line.starts_with(kBranch)) state.branch = line.substr(kBranch.size());
    state.is_dirty |= !line.empty() && !line.starts_with('#');
  }
  if (state.branch == "(detached)") state.branch.clear();
  const bool has_commit = state.commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (state.commit.empty() || !has_commit) return std::nullopt;
  return state;
}

}  // namespace ripieno
