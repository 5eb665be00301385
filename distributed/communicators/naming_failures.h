// naming_failures: adds what was being communicated to the message of a CommunicationFailure.
#pragma once

#include <string>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

// Calls communicate(). If it throws CommunicationFailure, rethrows it with name() prefixed.
template <typename Name, typename Communicate>
void naming_failures(const Name& name, const Communicate& communicate) {
  try {
    communicate();
  } catch (const CommunicationFailure& failure) {
    throw CommunicationFailure(name() + ": " + failure.what(), failure.where());
  }
}

}  // namespace ripieno::distributed
