// How the library reports that it cannot go on: it throws an Error, whose kind says whose turn it
// is.
//
// A message is one line: what, where, why, what to do. The library never prints and never exits.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

namespace ripieno {

// A mistake in how the library was called, or a fault of its own.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what,
                 std::source_location where = std::source_location::current())
      : std::runtime_error(what), where_(where) {}
  // The line of code that found it.
  const std::source_location& where() const { return where_; }

 private:
  std::source_location where_;
};

// A configuration or an environment that cannot work: the user changes it.
struct ConfigurationError : Error {
  using Error::Error;
};
// Data or a checkpoint that is not what it claims to be.
struct DataError : Error {
  using Error::Error;
};
// Storage refused: full, unwritable, failing.
struct StorageError : Error {
  using Error::Error;
};
// A peer was lost, or a collective did not finish.
struct CommunicationFailure : Error {
  using Error::Error;
};
// Neither the system nor a device has as much memory as is needed.
struct OutOfMemory : Error {
  using Error::Error;
};

[[noreturn]] void fail(const std::string& what,
                       std::source_location where = std::source_location::current());

}  // namespace ripieno
