#include "ripieno/training/settings/command_line.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "ripieno/training/session/build_facts.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/settings/exact_number.h"

namespace ripieno {
namespace {

void add_options(CLI::App& app, CommandLine& command) {
  app.add_option("--config", command.configuration, "the TOML file that describes the run")
      ->type_name("FILE.toml")
      ->required();
  app.add_option("--set", command.assignments, "change one setting; may be given again")
      ->type_name("section.key=value")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--run-dir", command.run_directory,
                 "where the run is kept (default: runs/<configuration>)")
      ->type_name("DIR");
  app.add_option("--steps", command.steps,
                 "stop after this step of the run; the schedule stays as it is")
      ->type_name("N")
      ->check(whole_number(1, kMostSteps));
  app.add_option("--resume", command.resume,
                 "auto: continue from the newest intact checkpoint; never; or a checkpoint's path")
      ->type_name("auto|never|PATH");
  app.add_option("--device", command.device, "where to train (default: auto)")
      ->type_name("auto|cpu|cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}).description(""));
  app.add_option("--threads", command.threads, "the same as --set train.threads=N")
      ->type_name("N")
      ->check(whole_number(0, kMostThreads));
  app.add_option("--seed", command.seed, "the same as --set train.seed=N")
      ->type_name("N")
      ->check(whole_number(0));
  app.add_flag("--quiet", command.quiet, "no progress; warnings and errors still go to stderr");
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, const std::string& about,
                               const Settings& settings) {
  CommandLine command;
  const std::string name = std::filesystem::path(argv[0]).filename();
  CLI::App app(about, name);
  app.footer("Settings, with their defaults:\n" + settings.listing());
  add_options(app, command);
  app.set_version_flag(
      "--version", [&] { return version_text(name); },
      "Print the version and what it was built with");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    command.help = app.help();
    return command;
  } catch (const CLI::CallForVersion& version) {
    command.help = version.what() + std::string("\n");
    return command;
  } catch (const CLI::ParseError& error) {
    throw UsageError(one_line(error.what()) + "; see " + name + " --help");
  }
  if (command.run_directory.empty()) {
    const std::filesystem::path configuration(command.configuration);
    command.run_directory = "runs/" + configuration.stem().string();
  }
  return command;
}

void configure(Settings& settings, const CommandLine& command) {
  settings.read(command.configuration);
  for (const auto& assignment : command.assignments) settings.set(assignment);
  if (command.threads) settings.set("train.threads=" + std::to_string(*command.threads));
  if (command.seed) settings.set("train.seed=" + std::to_string(*command.seed));
}

}  // namespace ripieno
