// LoadFill: routes the elements of saved tensors to the tensors being loaded, and converts their
// type. Used by checkpoint.cpp. Not installed.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/checkpoint/verified_read.h"

namespace ripieno::io {

class LoadFill {
 public:
  // Registers that `wanted` is loaded from `saved`. Both must stay valid until finish().
  void add(const SavedTensor& saved, const StateTensor& wanted);

  // How to read a piece: directly into its destination if that is contiguous CPU memory, of the
  // same type, and takes the whole piece; otherwise chunk by chunk. nullopt if no element is
  // wanted.
  std::optional<PieceRead> read_of(const SavedTensor& saved, const Piece& piece) const;

  // Bytes of staging memory in use, for tensors that are on a GPU or not contiguous.
  int64_t staged_bytes() const { return staged_bytes_; }
  // Copies staged tensors to their destinations and forgets everything that was added.
  void finish();

 private:
  // Where elements begin <= i < begin + flat.elements() of a saved tensor go.
  struct Destination {
    int64_t begin;
    Tensor flat;  // (elements), dense, on the CPU
    int64_t end() const { return begin + flat.elements(); }
  };
  struct Staged {
    const StateTensor* wanted;
    Tensor host;
  };

  std::vector<Destination> destinations_of(const SavedTensor& saved, const Piece& piece) const;

  std::map<const SavedTensor*, std::vector<Destination>> destinations_;
  std::vector<Staged> staged_;
  int64_t staged_bytes_ = 0;
};

}  // namespace ripieno::io
