// What the main functions of the benchmarks share.
#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <iostream>

#include "ripieno/training/program.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::benchmarks {

// Reads the command line and measures; returns the exit status (exit_status.h), with one line that
// says why where something failed. What measuring wrote is removed then too, so failures are caught
// here.
inline int run_benchmark(CLI::App& app, int argc, char** argv,
                         const std::function<void()>& measure) {
  return run_program([&] {
    try {
      app.parse(argc, argv);
      measure();
      return 0;
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : static_cast<int>(ExitStatus::usage);
    } catch (const std::exception& error) {
      std::cerr << argv[0] << ": " << error.what() << "\n";
      return static_cast<int>(exit_status_of(error));
    }
  });
}

}  // namespace ripieno::benchmarks
