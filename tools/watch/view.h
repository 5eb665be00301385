// Draws a snapshot of a run on a screen of any size.
#pragma once

#include <string>

#include "ripieno/tools/watch/run_reader.h"
#include "ripieno/tools/watch/screen.h"

namespace ripieno::tools::watch {

// What the last line says besides the keys.
struct Footer {
  bool has_keys = true;  // whether the terminal can be asked for something
  bool is_paused = false;
  double silent_seconds = 0;  // how long storage has not responded
};

void draw(Screen& screen, const Snapshot& snapshot, const Footer& footer);
// Before the first snapshot.
void draw_waiting(Screen& screen, const std::string& directory, double silent_seconds);

// One line for a log, with everything that is remarkable.
std::string line_of(const Snapshot& snapshot);

}  // namespace ripieno::tools::watch
