// What the main functions of the benchmarks share.
#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <functional>
#include <iostream>

namespace ripieno::benchmarks {

// Reads the command line and measures; returns the exit status: 64 for a bad command line, 78 where
// measuring failed, with one line that says why.
inline int run_benchmark(CLI::App& app, int argc, char** argv,
                         const std::function<void()>& measure) {
  try {
    app.parse(argc, argv);
    measure();
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << "\n";
    return 78;
  }
}

}  // namespace ripieno::benchmarks
