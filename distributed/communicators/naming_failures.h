// naming_failures: says what the ranks were about when one of them was lost.
#pragma once

#include <string>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

// Runs `communicate`; a CommunicationFailure leaves with name() before its message.
template <typename Name, typename Communicate>
void naming_failures(const Name& name, const Communicate& communicate) {
  try {
    communicate();
  } catch (const CommunicationFailure& failure) {
    throw CommunicationFailure(name() + ": " + failure.what(), failure.where());
  }
}

}  // namespace ripieno::distributed
