// The `ripieno` command: inspects, verifies, compares and converts checkpoints, and tokenizes text.
//
//   ripieno inspect runs/gpt_char
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "ripieno/tools/command.h"
#include "ripieno/training/program.h"
#include "ripieno/training/session/build_facts.h"
#include "ripieno/training/session/exit_status.h"

namespace {

int run(int argc, char** argv) {
  int status = 0;
  CLI::App app("Inspects, verifies, compares and converts checkpoints; tokenizes text.", "ripieno");
  app.require_subcommand(1);
  app.set_version_flag(
      "--version", [] { return ripieno::version_text("ripieno"); },
      "Print the version and what it was built with");
  ripieno::tools::add_inspect(app, status);
  ripieno::tools::add_verify(app, status);
  ripieno::tools::add_convert(app, status);
  ripieno::tools::add_diff(app, status);
  ripieno::tools::add_tokenize(app, status);
  ripieno::tools::add_train_tokenizer(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
  } catch (const CLI::CallForVersion& version) {
    std::puts(version.what());
  } catch (const CLI::ParseError& error) {
    throw ripieno::UsageError(std::string(error.what()) + "; see ripieno --help");
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return run(argc, argv); });
}
