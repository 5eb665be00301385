#include "ripieno/tools/watch/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <string>

namespace ripieno::tools::watch {
namespace {

// Alternate screen, no cursor, no wrapping at the right end; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// Used by handlers of signals.
termios original;
volatile sig_atomic_t is_taken = 0, ending_signal = 0, is_changed = 0;

void put_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void take_over() {
  termios raw = original;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  // From here on the terminal has to be given back, so a signal in between must see it.
  is_taken = 1;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  put_all(kEnter);
}

// Only functions that a handler of signals may call.
void give_back() {
  if (!is_taken) return;
  is_taken = 0;
  put_all(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &original);
}

void on_ending(int signal) { ending_signal = signal; }
void on_change(int) { is_changed = 1; }

void on_crash(int signal) {
  give_back();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// Ctrl-Z: the shell gets its terminal, and this process takes it again when it is continued.
void on_stop(int) {
  const int saved_errno = errno;
  give_back();
  ::raise(SIGSTOP);
  take_over();
  is_changed = 1;
  errno = saved_errno;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;  // without SA_RESTART: a blocked write() returns
  sigfillset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

const char* environment(const char* name) {
  const char* value = ::getenv(name);
  return value ? value : "";
}

}  // namespace

bool is_capable_terminal() {
  const std::string_view term = environment("TERM");
  return ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO) && !term.empty() && term != "dumb";
}

bool uses_utf8() {
  std::string locale;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (locale.empty()) locale = environment(name);
  }
  std::transform(locale.begin(), locale.end(), locale.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
}

bool uses_colors() { return *environment("NO_COLOR") == '\0'; }

Terminal::Terminal() {
  ::tcgetattr(STDIN_FILENO, &original);
  for (const int signal : kEnding) handle(signal, on_ending);
  for (const int signal : kCrashes) handle(signal, on_crash);
  handle(SIGWINCH, on_change);
  handle(SIGTSTP, on_stop);
  take_over();
}

Terminal::~Terminal() {
  give_back();
  for (const int signal : kEnding) ::signal(signal, SIG_DFL);
  for (const int signal : kCrashes) ::signal(signal, SIG_DFL);
  ::signal(SIGWINCH, SIG_DFL);
  ::signal(SIGTSTP, SIG_DFL);
}

Size Terminal::size() {
  winsize window = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return {};
  return {window.ws_row > 0 ? window.ws_row : 24, window.ws_col};
}

void Terminal::write(std::string_view bytes) {
  while (!bytes.empty() && ending_signal == 0) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR && errno != EAGAIN) return;
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool Terminal::is_writable() const {
  pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
}

Terminal::Event Terminal::wait(std::chrono::milliseconds most) {
  Event event;
  pollfd in = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  // A signal that arrives between this line and poll() is seen at the next call.
  const int ready =
      ending_signal != 0 || is_changed != 0 ? 0 : ::poll(&in, 1, static_cast<int>(most.count()));
  if (ready == 1) {
    const ssize_t got = ::read(STDIN_FILENO, &event.key, 1);
    event.is_over = got <= 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL | POLLIN)) != 0 &&
                    (got == 0 || errno != EINTR);
    if (got != 1) event.key = 0;
  }
  event.signal = ending_signal;
  event.has_resumed = is_changed != 0;
  is_changed = 0;
  return event;
}

}  // namespace ripieno::tools::watch
