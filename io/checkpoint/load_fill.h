// Where the elements of saved tensors go: the parts of a state that want them, in their element
// type. For checkpoint.cpp. Not installed.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/checkpoint/verified_read.h"

namespace ripieno::io {

class LoadFill {
 public:
  // Fills `wanted` from `saved`. Both outlive it.
  void add(const SavedTensor& saved, const StateTensor& wanted);

  // How a piece is read so that whoever wants some of it has it: into its place where that is on
  // the CPU, dense, and takes the whole piece as it is; else through a chunk of it. Nothing where
  // nobody wants any.
  std::optional<PieceRead> read_of(const SavedTensor& saved, const Piece& piece) const;

  // Bytes of memory beside the state's own that it takes until finish(): for parts that are not on
  // the CPU, or not dense.
  int64_t staged_bytes() const { return staged_bytes_; }
  void finish();

 private:
  // The run of elements begin <= i < begin + elements of a saved tensor, as `flat` takes it.
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
