// The name of this machine, as messages and records show it.
#pragma once

#include <string>

namespace ripieno {

std::string host_name();

}  // namespace ripieno
