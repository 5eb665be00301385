#include "ripieno/training/settings/command_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "ripieno/training/session/build_facts.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/settings/environment.h"
#include "ripieno/training/settings/exact_number.h"
#include "ripieno/training/settings/help_text.h"
#include "ripieno/training/settings/unknown_argument.h"

namespace ripieno {
namespace {

constexpr int kOptionColumns = 30;  // of an option's name; its description follows

void set_profiled_steps(CommandLine& command, const std::string& text) {
  const auto dash = text.find('-');
  const auto number = [&](std::string_view digits) -> int64_t {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value);
    return error == std::errc() && end == digits.end() ? value : 0;
  };
  const std::string_view view = text;
  command.first_profiled = number(view.substr(0, dash));
  command.last_profiled = dash == text.npos ? 0 : number(view.substr(dash + 1));
  if (1 <= command.first_profiled && command.first_profiled <= command.last_profiled) return;
  throw CLI::ValidationError("--profile-steps",
                             text +
                                 " is not a range of steps; pass the first and the last, as in "
                                 "20-29");
}

void add_options(CLI::App& app, CommandLine& command) {
  app.add_option("--config", command.configuration, "TOML file that configures the run")
      ->type_name("FILE.toml")
      ->required();
  app.add_option("--set", command.assignments,
                 "value of one configuration key, which overrides the file; can be repeated")
      ->type_name("section.key=value")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--run-dir", command.run_directory,
                 "directory for checkpoints, metrics and the report (default: runs/NAME, where "
                 "NAME is the name of FILE.toml without its extension)")
      ->type_name("DIR");
  app.add_option("--steps", command.steps,
                 "step at which training ends (default: schedule.steps); does not change the "
                 "learning rate schedule")
      ->type_name("N")
      ->check(whole_number(1, kMostSteps));
  app.add_option("--resume", command.resume,
                 "checkpoint to continue from. auto (default): the newest intact one in the run "
                 "directory, if there is one; never: none, start from step 0; PATH: the checkpoint "
                 "at that path")
      ->type_name("auto|never|PATH");
  app.add_option("--device", command.device,
                 "device to train on. auto (default): the GPU of the local rank if there is one, "
                 "otherwise the CPU")
      ->type_name("auto|cpu|cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}).description(""));
  app.add_option("--threads", command.threads,
                 "number of CPU threads per rank; the same as --set train.threads=N")
      ->type_name("N")
      ->check(whole_number(0, kMostThreads));
  app.add_option("--seed", command.seed,
                 "seed of all random numbers; the same as --set train.seed=N")
      ->type_name("N")
      ->check(whole_number(0));
  app.add_option("--profile", command.profile,
                 "file for a trace of all operations in some steps, in the Trace Event format, "
                 "which Perfetto opens; a table by operation is added to the progress output")
      ->type_name("FILE");
  app.add_option_function<std::string>(
         "--profile-steps", [&](const std::string& text) { set_profiled_steps(command, text); },
         "first and last step to profile (default: ten steps, from the sixth that the command "
         "takes)")
      ->type_name("A-B")
      ->needs("--profile");
  app.add_flag("--quiet", command.quiet,
               "no progress output; warnings and errors are still written to stderr");
}

std::string help_of(CLI::App& app, const Settings& settings) {
  const int columns = help_columns();
  app.description(wrapped(app.get_description(), columns));
  app.get_formatter()->column_width(kOptionColumns);
  for (CLI::Option* option : app.get_options())
    option->description(wrapped(option->get_description(), columns - kOptionColumns));
  const auto about_keys = wrapped(
      "Configuration keys and their default values. Set them in FILE.toml (key = value below a "
      "[section] line) or by --set section.key=value.",
      columns);
  return app.help() + about_keys + "\n" + settings.listing(columns) + "\nEnvironment variables:\n" +
         environment_listing(columns);
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
  add_options(app, command);
  app.set_version_flag(
      "--version", [&] { return version_text(name); },
      "Print the version and what it was built with");
  refuse_empty_words(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    command.help = help_of(app, settings);
    return command;
  } catch (const CLI::CallForVersion& version) {
    command.help = version.what() + std::string("\n");
    return command;
  } catch (const CLI::ParseError& error) {
    const auto unknown = unknown_argument(app);
    throw UsageError((unknown.empty() ? one_line(error.what()) : unknown) + "; see " + name +
                     " --help");
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
  if (command.threads)
    settings.set("train.threads=" + std::to_string(*command.threads), "--threads");
  if (command.seed) settings.set("train.seed=" + std::to_string(*command.seed), "--seed");
}

}  // namespace ripieno
