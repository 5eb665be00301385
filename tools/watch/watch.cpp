#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/watch/background.h"
#include "ripieno/tools/watch/terminal.h"
#include "ripieno/tools/watch/view.h"
#include "ripieno/training/settings/exact_number.h"

namespace ripieno::tools {
namespace {

using namespace watch;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kBytesPerSecond = 1000;  // in bursts of as many: at most 2 kB in a second
constexpr std::size_t kWholeScreen = std::size_t{1} << 20;
constexpr std::chrono::milliseconds kTick{200};

struct Options {
  std::string run;
  bool once = false;
  std::optional<double> every;
};

// The bytes that may be sent now: so many per second, saved up for one second.
class Allowance {
 public:
  std::size_t now() {
    const auto time = Clock::now();
    saved_ = std::min(1.0, saved_ + Seconds(time - last_).count());
    last_ = time;
    return static_cast<std::size_t>(saved_ * kBytesPerSecond);
  }
  void take(std::size_t bytes) {
    saved_ -= static_cast<double>(bytes) / static_cast<double>(kBytesPerSecond);
  }

 private:
  double saved_ = 0;
  Clock::time_point last_ = Clock::now();
};

// Sends what changed, as far as the allowance goes and the terminal takes it.
void send(Terminal& terminal, Screen& screen, Allowance& allowance, bool is_new) {
  constexpr std::size_t kLeast = 64;
  const std::size_t allowed = allowance.now();
  if (!is_new && (allowed < kLeast || !terminal.is_writable())) return;
  const std::string bytes = screen.changes(is_new ? kWholeScreen : allowed);
  terminal.write(bytes);
  if (!is_new) allowance.take(bytes.size());
}

// Returns the signal that ended it; 0: a key or the end of the terminal.
int draw_until_told(Terminal& terminal, const Background& background, const Options& options) {
  Screen screen(uses_utf8(), uses_colors());
  Allowance allowance;
  bool is_paused = false, is_new = true;
  std::shared_ptr<const Snapshot> shown;
  for (;;) {
    auto look = background.look();
    if (!is_paused || !shown) shown = look.snapshot;
    const Size size = Terminal::size();
    if (is_new) screen.resize(size.rows, size.columns);
    if (shown)
      draw(screen, *shown, {.is_paused = is_paused, .silent_seconds = look.silent_seconds});
    else
      draw_waiting(screen, options.run, look.silent_seconds);
    send(terminal, screen, allowance, is_new);
    const auto event = terminal.wait(kTick);
    if (event.signal != 0) return event.signal;
    if (event.is_over || event.key == 'q' || event.key == 'Q') return 0;
    if (event.key == ' ') is_paused = !is_paused;
    is_new = event.has_resumed || event.key == '\f' || Terminal::size() != size;
  }
}

// An exception that leaves the program does not unwind the stack, so the terminal is given back
// first.
int watch_on_terminal(const Options& options) {
  constexpr double kUsualSeconds = 2;
  const Background background(options.run);
  background.wait(kUsualSeconds);  // fails without touching the terminal, if it does
  std::exception_ptr failure;
  int signal = 0;
  {
    Terminal terminal;
    try {
      signal = draw_until_told(terminal, background, options);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return signal;
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    throw StorageError("cannot write to standard output");
}

// Throws StorageError if storage does not respond.
std::shared_ptr<const Snapshot> first_snapshot(const Background& background,
                                               const Options& options) {
  constexpr double kPatience = 30;
  const auto look = background.wait(kPatience);
  if (!look.snapshot)
    throw StorageError(
        fmt::format("{}: storage has not responded for {:.0f} s", options.run, kPatience));
  return look.snapshot;
}

void print_once(const Options& options) {
  const Background background(options.run);
  const auto snapshot = first_snapshot(background, options);
  Screen screen(uses_utf8(), /*colors=*/false);
  const Size size = Terminal::size();
  screen.resize(size.rows, size.columns);
  draw(screen, *snapshot, {.has_keys = false});
  print(screen.text());
}

bool is_over(const Snapshot& snapshot) {
  using State = Snapshot::State;
  return snapshot.state == State::finished || snapshot.state == State::saved ||
         snapshot.state == State::ended;
}

// Without records of ranks, only its steps tell that a run is alive.
class Patience {
 public:
  // Whether such a run has not proceeded for long.
  bool is_over(const Snapshot& snapshot) {
    const auto now = Clock::now();
    if (snapshot.state != Snapshot::State::unknown ||
        snapshot.step != std::exchange(step_, snapshot.step))
      since_ = now;
    return Seconds(now - since_).count() >= kPatience;
  }

  static constexpr double kPatience = 600;

 private:
  int64_t step_ = -1;
  Clock::time_point since_ = Clock::now();
};

void print_lines(const Options& options) {
  const Background background(options.run);
  auto snapshot = first_snapshot(background, options);
  Patience patience;
  for (;;) {
    print(line_of(*snapshot) + "\n");
    if (is_over(*snapshot)) return;
    if (patience.is_over(*snapshot))
      return print(
          fmt::format("no step for {:.0f} s, and no records of ranks that say why: it has "
                      "probably ended\n",
                      Patience::kPatience));
    constexpr double kYear = 365 * 86400;  // more seconds may overflow the clock
    std::this_thread::sleep_for(Seconds(std::min(*options.every, kYear)));
    const auto look = background.look();
    if (look.silent_seconds >= *options.every + 5)
      print(fmt::format("storage has not responded for {:.0f} s\n", look.silent_seconds));
    snapshot = look.snapshot;
  }
}

void watch_run(const Options& options) {
  if (options.every) return print_lines(options);
  if (options.once || !is_capable_terminal()) return print_once(options);
  const int signal = watch_on_terminal(options);
  if (signal != 0) ::raise(signal);  // its handler is the default one again
}

}  // namespace

void add_watch(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("watch", "Shows a run while it trains, on a terminal.");
  command->add_option("RUN", options->run, "run directory, of a run in any state")
      ->type_name("")
      ->required();
  command->add_flag("--once", options->once, "print what would be shown, once");
  command
      ->add_option("--every", options->every,
                   "seconds between lines of plain text, until the run ends")
      ->type_name("SECONDS")
      ->check(finite_number(0.1));
  command->footer(
      "Keys: q quits, space pauses. If its output is not a terminal, prints once. Only reads the\n"
      "run directory; changes nothing.\n"
      "Exit status: 0; 64 if RUN is not a run directory, 65 if its records cannot be read or are\n"
      "of another version, 74 if storage fails or does not respond.");
  command->callback([options] { watch_run(*options); });
}

}  // namespace ripieno::tools
