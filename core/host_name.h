// host_name(): the name of this host, for messages and run records.
#pragma once

#include <string>

namespace ripieno {

std::string host_name();

}  // namespace ripieno
