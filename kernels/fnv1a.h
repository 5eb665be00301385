// FNV-1a (Fowler, Noll, Vo), 64 bits: a hash of short strings that is the same on every machine.
#pragma once

#include <cstdint>
#include <string_view>

namespace ripieno::kernels {

inline constexpr uint64_t kFnv1aStart = 0xcbf29ce484222325u;

// Hash of `text`. To hash several strings as one, pass the previous result as `hash`.
constexpr uint64_t fnv1a(std::string_view text, uint64_t hash = kFnv1aStart) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}
static_assert(fnv1a("foobar") == 0x85944171f73967e8u);  // from the authors' test vectors

}  // namespace ripieno::kernels
