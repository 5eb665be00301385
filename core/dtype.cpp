#include "ripieno/core/dtype.h"

#include <fmt/format.h>

#include <array>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

struct Description {
  std::string_view name;
  std::size_t size;
};

// In the order of the enumeration.
constexpr std::array<Description, 8> kDescriptions = {{{"float32", 4},
                                                       {"bfloat16", 2},
                                                       {"float16", 2},
                                                       {"float64", 8},
                                                       {"int64", 8},
                                                       {"int32", 4},
                                                       {"uint8", 1},
                                                       {"bool", 1}}};

const Description& describe(DType dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  if (index >= kDescriptions.size()) {
    fail(
        fmt::format("dtype: there is no element type number {}; use a member of DType, such as "
                    "DType::float32",
                    index));
  }
  return kDescriptions[index];
}

}  // namespace

std::size_t size_of(DType dtype) { return describe(dtype).size; }

std::size_t bytes_of(int64_t elements, DType dtype) {
  int64_t bytes = 0;
  if (elements < 0 ||
      __builtin_mul_overflow(elements, static_cast<int64_t>(size_of(dtype)), &bytes)) {
    fail(fmt::format("dtype: the size in bytes of {} {} elements does not fit 63 bits", elements,
                     name_of(dtype)));
  }
  return static_cast<std::size_t>(bytes);
}
std::string_view name_of(DType dtype) { return describe(dtype).name; }
bool is_floating_point(DType dtype) { return dtype <= DType::float64; }

std::optional<DType> dtype_named(std::string_view name) {
  for (std::size_t i = 0; i < kDescriptions.size(); ++i) {
    if (kDescriptions[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace ripieno
