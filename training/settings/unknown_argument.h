// What a command line has that its program does not take, for error messages.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace ripieno {

// About the first argument that app.parse() did not take, with the option or subcommand that was
// most likely meant: "--confg: no such option (did you mean --config?)". Empty if it took them all,
// so that another error ended the parsing. Call it after CLI::ParseError.
std::string unknown_argument(const CLI::App& app);

}  // namespace ripieno
