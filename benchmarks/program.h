// The common main function of the benchmarks.
#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <iostream>

#include "ripieno/training/program.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::benchmarks {

// Parses the command line and calls `measure`. Returns the exit status (exit_status.h); prints one
// line on an error. Exceptions are caught here so that destructors remove temporary files.
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
