#include "ripieno/core/loaded_rows.h"

namespace ripieno {

uint64_t& loaded_rows() {
  thread_local uint64_t rows = 0;
  return rows;
}

}  // namespace ripieno
