// Terminal: takes over the terminal for the time of its life, and gives it back as it was, however
// the program ends.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace ripieno::tools::watch {

struct Size {
  int rows = 24, columns = 80;
  bool operator==(const Size&) const = default;
};

// Whether standard input and output are a terminal that understands escape sequences.
bool is_capable_terminal();
// Whether the locale of the environment has UTF-8.
bool uses_utf8();
// False if NO_COLOR is set.
bool uses_colors();

class Terminal {
 public:
  // Shows the alternate screen, without cursor, echo and line editing. Installs handlers that give
  // the terminal back when a signal ends or stops the process. There may be one at a time.
  Terminal();
  // Gives the terminal back.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static Size size();
  // Blocks while the terminal does not take them; returns early if a signal arrives.
  void write(std::string_view bytes);

  struct Event {
    char key = 0;              // 0: none
    bool has_resumed = false;  // or was resized: everything must be drawn again
    bool is_over = false;      // the terminal was closed
    int signal = 0;            // that asks the process to end
  };
  // Waits for an event up to this long.
  Event wait(std::chrono::milliseconds most);
  // Whether it takes bytes now.
  bool is_writable() const;
};

}  // namespace ripieno::tools::watch
