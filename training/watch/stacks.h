// Stacks of all threads of this process, for a process that hangs.
#pragma once

#include <string>
#include <vector>

namespace ripieno::watch {

struct ThreadStack {
  int id = 0;  // as in /proc/PID/task
  std::string name = {};
  char state = '?';  // as in /proc/PID/stat: R running, S sleeping, D waiting for storage, …
  bool has_answered = false;  // false if the thread blocks signals or waits for storage
  std::vector<void*> frames = {};
};

// Loads what capture_stacks() needs, which must not happen in a signal handler.
void prepare_stacks();

// Interrupts every thread but the calling one by a real-time signal whose handler records its
// stack; waits at most a second. Not for threads that call it at the same time.
std::vector<ThreadStack> capture_stacks();

// A text with a line for each frame, "#3 libc.so.6+0x11a3f4 poll+0x52". `addr2line -Cfe MODULE
// OFFSET` finds the source line of a frame without a name.
std::string to_string(const std::vector<ThreadStack>& stacks);

}  // namespace ripieno::watch
