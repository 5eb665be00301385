#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/replace_file.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/runs/compare.h"
#include "ripieno/tools/runs/file_build_id.h"
#include "ripieno/tools/runs/recorded_command.h"
#include "ripieno/tools/shell_line.h"
#include "ripieno/tools/watch/run_reader.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

namespace fs = std::filesystem;
using runs::RecordedCommand;

constexpr int kDifferent = 1;

struct Options {
  std::string run, to;
  bool only_prints = false;
};

void remark(const std::string& text) { fmt::print(stderr, "ripieno: {}\n", text); }

std::string launcher() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "ripieno_launch";
}

void require_program(const RecordedCommand& command, const std::string& run) {
  if (::access(command.program.c_str(), X_OK) != 0) {
    throw ConfigurationError(
        fmt::format("{} cannot be repeated: its program {} cannot be executed "
                    "({}); build or install it there again",
                    run, command.program, std::strerror(errno)));
  }
  std::error_code error;
  if (!fs::is_directory(command.directory, error)) {
    throw ConfigurationError(
        fmt::format("{} cannot be repeated: it ran in {}, which does not "
                    "exist; create it with the data it needs",
                    run, command.directory));
  }
  if (!command.resumed_from.empty() &&
      !fs::exists(command.directory / fs::path(command.resumed_from), error)) {
    throw ConfigurationError(
        fmt::format("{} cannot be repeated: the checkpoint {} that it began "
                    "from does not exist; restore it",
                    run, command.resumed_from));
  }
  const auto id = runs::file_build_id(io::local_files(), command.program);
  if (id != command.build_id) {
    remark(
        fmt::format("warning: {} is another build than the one that ran (build id {}, it was "
                    "{})",
                    command.program, id.empty() ? "unknown" : id,
                    command.build_id.empty() ? "not recorded" : command.build_id));
  }
}

// An empty directory that exists may be used.
void require_free(const std::string& to) {
  std::error_code error;
  if (!fs::exists(to, error) || (fs::is_directory(to, error) && fs::is_empty(to, error))) return;
  throw UsageError(fmt::format("{} exists; choose another directory with --to", to));
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& recorded) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable; ++variable) {
    const std::string text = *variable;
    if (!recorded.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto& [name, value] : recorded) variables.push_back(name + "=" + value);
  return variables;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

// Passes on the signals of `awaited` until the process ends; returns its wait status.
int wait_for(pid_t process, const sigset_t& awaited) {
  int status = 0;
  while (true) {
    const int signal = ::sigwaitinfo(&awaited, nullptr);
    if (signal == SIGCHLD && ::waitpid(process, &status, WNOHANG) == process) return status;
    if (signal > 0 && signal != SIGCHLD) ::kill(process, signal);
  }
}

// Returns its exit status, 128 + n for signal n. Signals are for the program, which then saves; the
// terminal sends those of the keyboard to it as well.
int run_to_end(const RecordedCommand& command, const std::vector<std::string>& words) {
  const auto variables = environment_with(command.environment);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  const sigset_t keyboard = set_of({SIGINT, SIGQUIT});
  const sigset_t awaited = set_of({SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD});
  sigset_t former;
  ::sigprocmask(SIG_BLOCK, &awaited, &former);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &keyboard);
  posix_spawnattr_setsigmask(&attributes, &former);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, command.directory.c_str());
  pid_t process = 0;
  const int failure = ::posix_spawn(&process, words[0].c_str(), &actions, &attributes,
                                    pointers_to(words).data(), pointers_to(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0)
    throw ConfigurationError(fmt::format("cannot start {}: {}", words[0], std::strerror(failure)));
  const int status = wait_for(process, awaited);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The last step that the run finished, which may be after the last that it logged; 0: none.
int64_t last_step(const std::string& run) {
  const auto snapshot = watch::RunReader(io::local_files(), run, /*diagnoses=*/false).read();
  return std::max(snapshot.step, snapshot.checkpoints.newest.value_or(0));
}

std::string canonical(const std::string& path) {
  std::error_code error;
  const auto found = fs::weakly_canonical(fs::absolute(path), error);
  return error ? fs::absolute(path).lexically_normal().string() : found.string();
}

// Beside the run by default. A relative RUN such as "." has a name as well.
std::string target_of(const Options& options) {
  auto run = fs::absolute(options.run).lexically_normal();
  if (!run.has_filename()) run = run.parent_path();
  const std::string to =
      options.to.empty() ? run.string() + "_rerun" : fs::absolute(options.to).string();
  if (canonical(to).starts_with(canonical(options.run) + "/"))
    throw UsageError(
        fmt::format("{} is in the run {}, which is not changed; choose another "
                    "directory with --to",
                    to, options.run));
  return to;
}

// The directory of the repetition. Unless the program began to write its record there, its content
// is removed again, so that the next attempt finds it free.
class Target {
 public:
  Target(io::FileSystem& files, std::string path)
      : files_(files), path_(std::move(path)), existed_(files.exists(path_)) {}
  ~Target() {
    try {
      if (!files_.exists(io::RunPaths{path_}.record()))
        files_.remove_all(existed_ ? configuration() : path_);
    } catch (const Error& error) {
      remark(error.what());
    }
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  std::string configuration() const { return path_ + "/configuration.toml"; }

 private:
  io::FileSystem& files_;
  const std::string path_;
  const bool existed_;
};

int rerun(const Options& options) {
  auto& files = io::local_files();
  if (!files.exists(io::RunPaths{options.run}.record()))
    throw UsageError(options.run + ": not a run directory, which has run.json");
  const auto command = runs::recorded_command(io::read_record({options.run}), options.run);
  const std::string to = target_of(options);
  require_free(to);
  require_program(command, options.run);
  const int64_t steps = last_step(options.run);
  if (steps == 0)
    throw DataError(options.run + " cannot be repeated: it finished no step; start it again");
  for (const auto& text : command.remarks) remark("warning: " + text);
  const Target target(files, to);
  const auto words = runs::words_of(command, launcher(), target.configuration(), to, steps);
  remark(fmt::format("in {}: {}", shell_line({command.directory}), shell_line(words)));
  if (options.only_prints) return 0;
  files.make_directories(to);
  io::replace_file(files, target.configuration(), command.configuration);
  const int status = run_to_end(command, words);
  if (status != 0) {
    if (files.exists(io::RunPaths{to}.record()))
      remark(fmt::format("the program ended with status {}; remove {} before you repeat {} again",
                         status, to, options.run));
    return status;
  }
  const auto comparison = runs::compare(options.run, to);
  std::fputs(to_text(comparison).c_str(), stdout);
  const auto& losses = comparison.losses;
  const bool is_whole =
      losses.last_of_a && losses.last_of_b && losses.last_of_b->step >= losses.last_of_a->step;
  return losses.common > 0 && !losses.first && is_whole ? 0 : kDifferent;
}

}  // namespace

void add_rerun(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "rerun", "Repeats a run from its record, and compares the losses of both.");
  command->add_option("RUN", options->run, "run directory")->type_name("")->required();
  command->add_option("--to", options->to, "new run directory (default: RUN_rerun)")
      ->type_name("DIR");
  command->add_flag("--dry-run", options->only_prints, "print the command, and do not start it");
  command->footer(
      "Repeats the first start, up to the last step of the run: its program, its configuration\n"
      "and its number of ranks, on this host, without alerts. RUN is not changed.\n"
      "Exit status: 0 if all losses are equal bit by bit, 1 if some differ; that of the program\n"
      "if it fails; 64 if RUN is not a run directory or DIR exists, 65 if the record does not\n"
      "say how to repeat it or no step was finished, 78 if something that it needs is missing.");
  command->callback([options, &status] { status = rerun(*options); });
}

}  // namespace ripieno::tools
