// The subcommands of `ripieno`: each adds itself, and what it does when it is chosen, to the
// command line.
#pragma once

namespace CLI {
class App;
}

namespace ripieno::tools {

// `status` must outlive the parsing of `app`: the program ends with it.
void add_convert(CLI::App& app, int& status);
void add_diff(CLI::App& app, int& status);
void add_inspect(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);

}  // namespace ripieno::tools
