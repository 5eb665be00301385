// Error and its subclasses: the exceptions that the library throws. The type says who has to act.
//
// A message is one line that says what was wrong, what was found, what is required and what to do.
// The library never prints and never exits.
#pragma once

#include <stdexcept>
#include <string>

#include "ripieno/core/source_location.h"

namespace ripieno {

// The library was called incorrectly, or has a bug.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what, SourceLocation where = SourceLocation::current())
      : std::runtime_error(what), where_(where) {}
  // The source line that detected the error.
  const SourceLocation& where() const { return where_; }

 private:
  SourceLocation where_;
};

// A configuration or environment that cannot work; the user has to change it.
struct ConfigurationError : Error {
  using Error::Error;
};
// Data or a checkpoint is malformed, corrupt or out of range.
struct DataError : Error {
  using Error::Error;
};
// Storage failed: full, not writable, or an I/O error.
struct StorageError : Error {
  using Error::Error;
};
// Another rank was lost, or a collective failed or timed out.
struct CommunicationFailure : Error {
  using Error::Error;
};
// A device or the host has too little free memory.
struct OutOfMemory : Error {
  using Error::Error;
};

// Throws Error.
[[noreturn]] void fail(const std::string& what, SourceLocation where = SourceLocation::current());

}  // namespace ripieno
