// The `ripieno` command: plans, launches, watches and explains runs, examines hosts, and works with
// checkpoints and data.
//
//   ripieno inspect runs/gpt_char
//   ripieno launch -n 2 -- train_gpt --config gpt_char.toml
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "ripieno/tools/command.h"
#include "ripieno/training/program.h"
#include "ripieno/training/session/build_facts.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/settings/unknown_argument.h"

namespace {

// Executes ripieno_launch, which is beside this program, as the same process: it may be process 1
// of a container.
[[noreturn]] void execute_launch(char** argv) {
  const auto own = std::filesystem::read_symlink("/proc/self/exe");
  const std::string launcher = own.parent_path() / "ripieno_launch";
  char name[] = "ripieno launch";
  argv[1] = name;
  ::execv(launcher.c_str(), argv + 1);
  throw ripieno::ConfigurationError(fmt::format("cannot execute {} ({}); install it beside ripieno",
                                                launcher, std::strerror(errno)));
}

int run(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "launch") execute_launch(argv);
  int status = 0;
  CLI::App app(
      "Plans, launches, watches, explains runs; examines hosts; works with checkpoints and data.",
      "ripieno");
  app.require_subcommand(1);
  app.set_version_flag(
      "--version", [] { return ripieno::version_text("ripieno"); },
      "Print the version and what it was built with");
  ripieno::tools::add_inspect(app, status);
  ripieno::tools::add_verify(app, status);
  ripieno::tools::add_convert(app, status);
  ripieno::tools::add_diff(app, status);
  ripieno::tools::add_doctor(app, status);
  ripieno::tools::add_explain(app, status);
  app.add_subcommand("launch", "Starts, watches and restarts a program on all ranks.");
  ripieno::tools::add_plan(app, status);
  ripieno::tools::add_prepare(app, status);
  ripieno::tools::add_report(app, status);
  ripieno::tools::add_rerun(app, status);
  ripieno::tools::add_runs(app, status);
  ripieno::tools::add_tokenize(app, status);
  ripieno::tools::add_train_tokenizer(app, status);
  ripieno::tools::add_watch(app, status);
  ripieno::refuse_empty_words(app, {"--prefix", "--rename"});
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
  } catch (const CLI::CallForVersion& version) {
    std::puts(version.what());
  } catch (const CLI::ParseError& error) {
    const auto unknown = ripieno::unknown_argument(app);
    throw ripieno::UsageError((unknown.empty() ? error.what() : unknown) + "; see ripieno --help");
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return run(argc, argv); });
}
