// OptimizerState: the tensors that an optimizer keeps from step to step, of what this rank updates.
//
// A state tensor has an element for each element of its parameter, in an arena of the parameters'
// layout, and is cut with it where ranks share the state; or it has a shape of its own, and belongs
// to the rank that has the whole parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/arena/parameters.h"

namespace ripieno::optim {

// Of the state tensors of one name.
struct StateOptions {
  DType dtype = DType::float32;
  // The shape for a parameter; empty: an element for each of the parameter's.
  std::function<Shape(const ArenaLayout::Entry&)> shape = {};
};

class OptimizerState {
 public:
  explicit OptimizerState(Parameters parameters);
  OptimizerState(const OptimizerState&) = delete;
  OptimizerState& operator=(const OptimizerState&) = delete;

  // What a checkpoint has to hold besides the parameters.
  struct Slot {
    std::string name;  // "first_moment", …
    Arena* arena;
  };
  // Zeros, and "master" the parameters. Where the name exists already, that one.
  Arena& add(const std::string& name, const StateOptions& options = {});
  std::vector<Slot> slots() const;

  // Master weights in float32, where parameters are narrower.
  bool keeps_master() const;
  void to(Device device);

  // From now on there is state for `ranges` of the parameters' layout alone.
  void shard(std::vector<ElementRange> ranges);
  bool is_sharded() const { return is_sharded_; }
  // What this rank updates: disjoint; the whole layout unless sharded.
  const std::vector<ElementRange>& ranges() const { return ranges_; }

  // Of state tensors that are cut with their parameters: those of a range, (elements).
  Tensor range(const std::string& name, std::size_t index) const;

  // What this rank has for one parameter (its index): elements begin <= i < begin +
  // part.elements() of the state tensor, which has its whole shape where that is all. Undefined:
  // nothing.
  struct Part {
    int64_t begin = 0;
    Tensor part;
  };
  Part part_of(const std::string& name, std::size_t parameter) const;
  bool has_own_shapes(const std::string& name) const { return bool(at(name).options.shape); }
  // Of a parameter's whole state tensor.
  Shape shape_of(const std::string& name, std::size_t parameter) const;
  // Makes a parameter's state zero, but for master weights.
  void reset(std::size_t parameter) const;

  // Each range a tensor, one after the other.
  static std::shared_ptr<const ArenaLayout> shard_layout(const std::vector<ElementRange>& ranges);

 private:
  struct Kept {
    std::string name;
    StateOptions options;
    std::unique_ptr<Arena> arena;
    std::vector<int> entry_of;  // (parameters), -1: none here; of tensors with shapes of their own
  };

  const Kept& at(const std::string& name) const;
  void make_arena(Kept& kept) const;
  std::shared_ptr<const ArenaLayout> layout_of(Kept& kept) const;
  bool has_whole(const ArenaLayout::Entry& entry) const;
  void fill_master(Arena& master) const;
  void copy_part(const Kept& from, const Kept& to) const;
  Part cut_part_of(const Kept& kept, std::size_t parameter) const;

  Parameters parameters_;
  std::vector<ElementRange> ranges_;
  std::shared_ptr<const ArenaLayout> layout_;  // the parameters', or an entry a range
  bool is_sharded_ = false;
  std::vector<Kept> kept_;
};

}  // namespace ripieno::optim
