#include "ripieno/core/error.h"

namespace ripieno {

void fail(const std::string& what, SourceLocation where) { throw Error(what, where); }

}  // namespace ripieno
