// The subcommands of the `ripieno` command: each function adds one to the command line, with the
// callback that runs it.
#pragma once

namespace CLI {
class App;
}

namespace ripieno::tools {

// The callback stores the exit status in `status`, which must outlive the parsing of `app`.
void add_convert(CLI::App& app, int& status);
void add_diff(CLI::App& app, int& status);
void add_doctor(CLI::App& app, int& status);
void add_explain(CLI::App& app, int& status);
void add_inspect(CLI::App& app, int& status);
void add_plan(CLI::App& app, int& status);
void add_prepare(CLI::App& app, int& status);
void add_report(CLI::App& app, int& status);
void add_rerun(CLI::App& app, int& status);
void add_runs(CLI::App& app, int& status);
void add_tokenize(CLI::App& app, int& status);
void add_train_tokenizer(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);
void add_watch(CLI::App& app, int& status);

}  // namespace ripieno::tools
