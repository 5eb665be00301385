#include "ripieno/training/session/exit_status.h"

#include <new>
#include <system_error>

namespace ripieno {
namespace {

template <typename Kind>
bool is(const std::exception& error) {
  return dynamic_cast<const Kind*>(&error) != nullptr;
}

}  // namespace

ExitStatus exit_status_of(const std::exception& error) {
  if (const auto* failure = dynamic_cast<const RankFailure*>(&error)) return failure->status();
  if (is<UsageError>(error)) return ExitStatus::usage;
  if (is<ConfigurationError>(error)) return ExitStatus::configuration;
  if (is<DataError>(error)) return ExitStatus::data;
  if (is<StorageError>(error)) return ExitStatus::storage;
  // From std::filesystem, or from fmt::print if standard output cannot be written.
  if (is<std::system_error>(error)) return ExitStatus::storage;
  if (is<CommunicationFailure>(error)) return ExitStatus::peer_lost;
  if (is<OutOfMemory>(error) || is<std::bad_alloc>(error)) return ExitStatus::memory;
  return ExitStatus::software;
}

}  // namespace ripieno
