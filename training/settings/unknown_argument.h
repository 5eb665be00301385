// What a command line has that its program does not take, for error messages.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ripieno {

// About the first argument that app.parse() did not take, with the option or subcommand that was
// most likely meant: "--confg: no such option (did you mean --config?)". Empty if it took them all,
// so that another error ended the parsing. Call it after CLI::ParseError.
std::string unknown_argument(const CLI::App& app);

// Makes empty words errors, as of unset variables of a shell, but for the options `but_for`. For
// `app` and its subcommands.
void refuse_empty_words(CLI::App& app, const std::vector<std::string>& but_for = {});

}  // namespace ripieno
