// OptimizerState: the state tensors of an optimizer (moments, master weights), for the parameters
// that this rank updates.
//
// A state tensor usually has one element per element of its parameter, in an arena with the layout
// of the parameters, and is split with it when ranks shard the state. It may also have a shape of
// its own; then the rank that has the whole parameter owns it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/arena/parameters.h"

namespace ripieno::optim {

// Options of the state tensors of one name.
struct StateOptions {
  DType dtype = DType::float32;
  // The shape as a function of the parameter; empty: the shape of the parameter.
  std::function<Shape(const ArenaLayout::Entry&)> shape = {};
  // Starts as the parameters instead of zero, and is not reset when a parameter is frozen: master
  // weights, averages.
  bool is_copy = false;
};

class OptimizerState {
 public:
  explicit OptimizerState(Parameters parameters);
  OptimizerState(const OptimizerState&) = delete;
  OptimizerState& operator=(const OptimizerState&) = delete;

  // The state tensors of one name.
  struct StateTensors {
    std::string name;  // "first_moment", …
    Arena* arena;
  };
  // Adds state tensors. Returns the existing arena if the name exists.
  Arena& add(const std::string& name, const StateOptions& options = {});
  std::vector<StateTensors> tensors_by_name() const;

  // Whether there are float32 master weights: for bfloat16 and float16 parameters.
  bool keeps_master() const;
  void to(Device device);

  // Restricts the state to `ranges` of the parameters' layout; existing state of these is kept.
  void shard(std::vector<ElementRange> ranges);
  bool is_sharded() const { return is_sharded_; }
  // The ranges that this rank updates: disjoint; the whole layout unless sharded.
  const std::vector<ElementRange>& ranges() const { return ranges_; }

  // The elements (elements) of one range, for state tensors that are split with their parameters.
  // Throws Error for others.
  Tensor range(const std::string& name, std::size_t index) const;

  // What this rank has of the state tensor of one parameter (its index): the part.elements()
  // elements from `begin`. If that is all of them, `part` has the shape of the state tensor; if
  // there are none, it is undefined.
  struct Part {
    int64_t begin = 0;
    Tensor part;
  };
  Part part_of(const std::string& name, std::size_t parameter) const;
  bool has_own_shapes(const std::string& name) const { return bool(at(name).options.shape); }
  // The shape of the whole state tensor of a parameter.
  Shape shape_of(const std::string& name, std::size_t parameter) const;
  // Sets the state of a parameter to zero, except for master weights.
  void reset(std::size_t parameter) const;

  // A layout with one tensor per range, in order.
  static std::shared_ptr<const ArenaLayout> shard_layout(const std::vector<ElementRange>& ranges);

 private:
  struct NamedState {
    std::string name;
    StateOptions options;
    std::unique_ptr<Arena> arena;
    std::vector<int> entry_of;  // (parameters), -1: not on this rank; for state with its own shapes
  };

  const NamedState& at(const std::string& name) const;
  void make_arena(NamedState& state) const;
  std::shared_ptr<const ArenaLayout> layout_of(NamedState& state) const;
  bool has_whole(const ArenaLayout::Entry& entry) const;
  void fill_copy(Arena& copy) const;
  void copy_ranges(const NamedState& from, const NamedState& to) const;
  Part split_part_of(const NamedState& state, std::size_t parameter) const;

  Parameters parameters_;
  std::vector<ElementRange> ranges_;
  std::shared_ptr<const ArenaLayout> layout_;  // the parameters' layout, or one entry per range
  bool is_sharded_ = false;
  std::vector<NamedState> states_;
};

}  // namespace ripieno::optim
