#include "ripieno/training/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <system_error>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/training/session/bus_error.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/standard_streams.h"
#include "ripieno/training/watch/recorder.h"

namespace ripieno {
namespace {

[[noreturn]] void end_silently(ExitStatus status) {
  // mpirun ends this rank after the rank with the message has ended. If this rank ended first,
  // mpirun would kill that rank before its message is written.
  std::this_thread::sleep_for(std::chrono::seconds(10));
  std::_Exit(static_cast<int>(status));
}

// If several ranks fail for the same reason (a lost rank, an invalid configuration), one message is
// enough: that of the lowest rank, unless the lost rank itself, which does not wait, has one.
// mpirun ends the others before their turn.
void wait_for_turn(ExitStatus status) {
  const int rank = distributed::launched_rank();
  int turn = 0;
  if (status == ExitStatus::configuration) turn = rank;
  if (status == ExitStatus::peer_lost) turn = rank + 1;
  std::this_thread::sleep_for(std::chrono::seconds(2) * std::min(turn, 5));
}

[[noreturn]] void end_with_message(const std::exception& error) {
  watch::record_exception(static_cast<int>(exit_status_of(error)), error.what());
  const auto* failure = dynamic_cast<const RankFailure*>(&error);
  if (failure && failure->is_silent()) end_silently(failure->status());
  if (!failure) wait_for_turn(exit_status_of(error));  // otherwise all other ranks are silent
  std::string message = fmt::format("{}: {}", program_invocation_short_name, error.what());
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fflush(stdout);
  std::fputs((message + '\n').c_str(), stderr);
  std::fflush(stderr);
  std::_Exit(static_cast<int>(exit_status_of(error)));
}

// The system_error that fmt::print throws does not name stdout.
[[noreturn]] void end_with_system_error(const std::system_error& error) {
  if (!std::ferror(stdout)) end_with_message(error);
  end_with_message(StorageError("cannot write to standard output: " + error.code().message()));
}

// Called before the stack is unwound, so that the record of this rank still says where it was.
[[noreturn]] void end_of_process() {
  try {
    std::rethrow_exception(std::current_exception());
  } catch (const std::system_error& error) {
    end_with_system_error(error);
  } catch (const std::exception& error) {
    end_with_message(error);
  } catch (...) {
    end_with_message(Error("terminated by an exception that is not a std::exception"));
  }
}

}  // namespace

int run_program(const std::function<int()>& body) {
  std::set_terminate(end_of_process);
  open_standard_streams();
  report_bus_errors();
  std::signal(SIGXFSZ, SIG_IGN);  // write() fails instead, and the error names the file
  const int status = body();
  const bool has_failed = status > 1;  // 1 is a result, for example of a comparison
  if (!has_failed) flush_standard_output();
  return status;
}

}  // namespace ripieno
