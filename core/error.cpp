#include "ripieno/core/error.h"

namespace ripieno {

void fail(const std::string& what, std::source_location where) { throw Error(what, where); }

}  // namespace ripieno
