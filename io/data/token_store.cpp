#include "ripieno/io/data/token_store.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno::io {

void TokenStore::refuse(int64_t token) const {
  throw DataError(fmt::format("{}: token {} is outside the vocabulary of {} tokens", name_, token,
                              tokenizer_.vocabulary_size()));
}

}  // namespace ripieno::io
