#include "ripieno/distributed/communicators/collective.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/distributed/communicators/sum.h"

namespace ripieno::distributed {
namespace {

void require_dense(Collective::Kind kind, const Tensor& x) {
  if (!x.defined()) fail(fmt::format("{}: the tensor is undefined", name_of(kind)));
  if (!x.is_dense()) {
    fail(fmt::format("{}: the tensor of shape {} is not contiguous; call dense()", name_of(kind),
                     to_string(x.shape())));
  }
}

void require_sum(Collective::Kind kind, const Tensor& x) {
  if (!has_sum(x.dtype())) {
    fail(
        fmt::format("{}: cannot sum {}; the element type must be float32, float64, bfloat16, "
                    "float16 or int64",
                    name_of(kind), ripieno::name_of(x.dtype())));
  }
}

// A step of a hash: the same on all ranks and in all versions of the flight record.
uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

// Requires that `whole` has the element type of `part` and `size` times as many elements.
void require_parts(Collective::Kind kind, const Tensor& whole, const Tensor& part, int size) {
  require_dense(kind, whole);
  require_dense(kind, part);
  const bool gathers = kind == Collective::Kind::all_gather;
  const std::string_view name_of_whole = gathers ? "out" : "in";
  const std::string_view name_of_part = gathers ? "in" : "out";
  if (whole.dtype() != part.dtype()) {
    fail(fmt::format("{}: {} is {}, {} is {}; they must match", name_of(kind), name_of_whole,
                     ripieno::name_of(whole.dtype()), name_of_part,
                     ripieno::name_of(part.dtype())));
  }
  if (whole.elements() != part.elements() * size) {
    fail(fmt::format("{}: {} has {} elements, but {} ranks x {} elements of {} are required",
                     name_of(kind), name_of_whole, whole.elements(), size, part.elements(),
                     name_of_part));
  }
}

}  // namespace

Collective all_reduce_of(const Tensor& x) {
  constexpr auto kKind = Collective::Kind::all_reduce;
  require_dense(kKind, x);
  require_sum(kKind, x);
  return {.kind = kKind, .dtype = x.dtype(), .elements = x.elements()};
}

Collective reduce_scatter_of(const Tensor& out, const Tensor& in, int size) {
  constexpr auto kKind = Collective::Kind::reduce_scatter;
  require_parts(kKind, in, out, size);
  require_sum(kKind, in);
  return {.kind = kKind, .dtype = out.dtype(), .elements = out.elements()};
}

Collective all_gather_of(const Tensor& out, const Tensor& in, int size) {
  constexpr auto kKind = Collective::Kind::all_gather;
  require_parts(kKind, out, in, size);
  return {.kind = kKind, .dtype = in.dtype(), .elements = in.elements()};
}

Collective all_to_all_of(const Tensor& out, const Tensor& in, int size) {
  constexpr auto kKind = Collective::Kind::all_to_all;
  require_dense(kKind, out);
  require_dense(kKind, in);
  if (out.dtype() != in.dtype()) {
    fail(fmt::format("all_to_all: out is {}, in is {}; they must match",
                     ripieno::name_of(out.dtype()), ripieno::name_of(in.dtype())));
  }
  if (out.elements() != in.elements() || in.elements() % size != 0) {
    fail(
        fmt::format("all_to_all: out has {} elements, in has {}; they must match and be divisible "
                    "by the number of ranks, {}",
                    out.elements(), in.elements(), size));
  }
  return {.kind = kKind, .dtype = in.dtype(), .elements = in.elements() / size};
}

Collective broadcast_of(const Tensor& x, int root, int size) {
  constexpr auto kKind = Collective::Kind::broadcast;
  require_dense(kKind, x);
  if (root < 0 || root >= size) {
    fail(fmt::format("broadcast: root is rank {}; it must be in [0, {})", root, size));
  }
  return {.kind = kKind, .dtype = x.dtype(), .root = root, .elements = x.elements()};
}

void require_color(int color) {
  if (color < 0) fail(fmt::format("split: color must be at least 0, got {}", color));
}

std::string_view name_of(Collective::Kind kind) {
  constexpr std::string_view kNames[] = {
      "all_reduce", "reduce_scatter", "all_gather", "all_to_all",    "broadcast",
      "barrier",    "duplicate",      "split",      "shared_memory", "replayed_step"};
  return kNames[static_cast<int>(kind)];
}

std::string to_string(const Collective& collective) {
  const std::string_view name = name_of(collective.kind);
  const std::string_view dtype = ripieno::name_of(collective.dtype);
  switch (collective.kind) {
    case Collective::Kind::barrier:
    case Collective::Kind::duplicate:
    case Collective::Kind::split:
    case Collective::Kind::replayed_step:
      return std::string(name);
    case Collective::Kind::shared_memory:
      return fmt::format("{} of {} bytes", name, collective.elements);
    case Collective::Kind::broadcast:
      return fmt::format("{} of {} {} from rank {}", name, collective.elements, dtype,
                         collective.root);
    default:
      return fmt::format("{} of {} {}", name, collective.elements, dtype);
  }
}

void require_same(std::span<const Collective> called) {
  for (std::size_t rank = 1; rank < called.size(); ++rank) {
    if (called[rank] == called[0]) continue;
    fail(
        fmt::format("collectives differ between ranks: rank 0 called {}, rank {} called {}; every "
                    "rank must call the same collectives in the same order",
                    to_string(called[0]), rank, to_string(called[rank])));
  }
}

trace::Event TracedGroup::next(const Collective& collective, int rank, int size) {
  const uint64_t arguments = mixed(
      mixed(mixed(static_cast<uint64_t>(collective.kind), static_cast<uint64_t>(collective.dtype)),
            static_cast<uint64_t>(collective.root)),
      static_cast<uint64_t>(collective.elements));
  const bool has_root = collective.kind == Collective::Kind::broadcast;
  return {.kind = trace::Event::Kind::collective,
          .name = name_of(collective.kind),
          .bytes = static_cast<int64_t>(collective.bytes()),
          .group = id_,
          .sequence = ++sequence_,
          .rank = rank,
          .size = size,
          .digest = arguments,
          .element_type = ripieno::name_of(collective.dtype),
          .root = has_root ? collective.root : -1};
}

TracedGroup TracedGroup::child(int color) {
  TracedGroup group;
  const uint64_t id = mixed(mixed(id_, ++children_), static_cast<uint64_t>(color));
  group.id_ = std::max<uint32_t>(static_cast<uint32_t>(id >> 32), 2);
  return group;
}

Slice slice_of(int64_t elements, int rank, int size) {
  const int64_t least = elements / size, more = elements % size;
  return {least * rank + std::min<int64_t>(rank, more), least + (rank < more ? 1 : 0)};
}

}  // namespace ripieno::distributed
