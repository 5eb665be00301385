// Starting, signalling and ending the processes below a launcher.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools {

// The end of a process.
struct ProcessEnd {
  int status = 0;  // exit status, if signal is 0
  int signal = 0;
};
ProcessEnd end_of(int wait_status);

// Blocks these signals and SIGCHLD in this process, so that they are read from a file. Construct it
// before any thread. Programs that Child starts get the former mask.
class SignalFile {
 public:
  explicit SignalFile(const std::vector<int>& signals);
  ~SignalFile();
  SignalFile(const SignalFile&) = delete;
  SignalFile& operator=(const SignalFile&) = delete;

  int file() const { return file_; }
  // Next pending signal with its sender (0: the kernel, e.g. the keyboard); nullopt if none is.
  struct Signal {
    int number = 0;
    pid_t sender = 0;
  };
  std::optional<Signal> next();
  const sigset_t& former_mask() const { return former_; }

 private:
  sigset_t former_;
  int file_;
};

// A program that was started in a process group of its own, with /dev/null as its stdin. Its stderr
// is read through a pipe. It gets `death_signal` if the thread that started it ends.
class Child {
 public:
  // Returns when the program is being executed. If it cannot be, it ends with status 126 or 127
  // after a line on stderr. Throws StorageError if the system has no room for another process.
  Child(const std::vector<std::string>& words, const sigset_t& mask, int death_signal);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void send(int signal) const;        // to the program
  void send_group(int signal) const;  // to its process group

  int errors() const { return errors_; }  // the pipe
  // What has arrived in the pipe, without blocking; empty if nothing has.
  std::string read_errors();
  // Whether the pipe was closed by its last writer.
  bool is_closed() const { return is_closed_; }

 private:
  pid_t pid_ = -1;
  int errors_ = -1;
  bool is_closed_ = false;
};

// Waits for events on these files, at most so long. Negative files are ignored.
void wait_for_input(const std::vector<int>& files, std::chrono::milliseconds most);

// Whether the process handles or ignores the signal, so that it does not end by it. A process that
// blocks it may do so only while it starts a thread. False if it does not exist.
bool handles(pid_t pid, int signal);

// All descendants of this process, from /proc. Those of processes that ended belong to it as well
// if it adopts orphans.
std::vector<pid_t> descendants();
// Makes this process the parent of descendants whose parents end, as process 1 of a container is.
void adopt_orphans();

// Seconds on a monotonic clock; seconds since the epoch.
double monotonic_seconds();
double epoch_seconds();

// Writes all of the text to stderr. Errors are ignored: there is nowhere to report them.
void write_errors(std::string_view text);
// A line on stderr, after the name of the command.
void write_remark(const std::string& text);

}  // namespace ripieno::tools
