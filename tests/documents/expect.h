// Assertions of the programs in this folder.
#pragma once

#include <string>

#include "ripieno/core/error.h"

namespace ripieno {

// Throws Error unless `fact` holds; run_program() then ends with a status other than 0.
inline void expect(bool fact, const std::string& what,
                   SourceLocation where = SourceLocation::current()) {
  if (!fact)
    throw Error(
        std::string(where.file_name()) + ":" + std::to_string(where.line()) + ": not true: " + what,
        where);
}

}  // namespace ripieno
