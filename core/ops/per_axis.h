// PerAxis: a number for each spatial axis of images: {.stride = 2} or {.stride = {2, 1}}.
#pragma once

#include <cstdint>
#include <string>

namespace ripieno {

// y: of the height; x: of the width, and of the only axis of sequences.
struct PerAxis {
  int64_t y, x;

  constexpr PerAxis(int64_t both) : y(both), x(both) {}  // NOLINT: converts on purpose
  constexpr PerAxis(int64_t of_y, int64_t of_x) : y(of_y), x(of_x) {}
  constexpr bool operator==(const PerAxis&) const = default;
};

// "(2, 1)"
std::string to_string(const PerAxis& values);

}  // namespace ripieno
