#include "ripieno/io/checkpoint/load_fill.h"

#include <algorithm>
#include <cstring>

#include "ripieno/core/autograd.h"

namespace ripieno::io {
namespace {

// `bytes` are elements of a saved tensor of type `dtype`, from its element `begin`. Copies those
// that overlap with the range of `flat`, which starts at element `wanted_begin`, and converts them.
void copy_or_convert(DType dtype, std::span<const std::byte> bytes, int64_t begin,
                     int64_t wanted_begin, const Tensor& flat) {
  const auto element = static_cast<int64_t>(size_of(dtype));
  const int64_t first = std::max(begin, wanted_begin);
  const int64_t last =
      std::min(begin + std::ssize(bytes) / element, wanted_begin + flat.elements());
  if (first >= last) return;
  const auto from = bytes.subspan(static_cast<std::size_t>((first - begin) * element),
                                  static_cast<std::size_t>((last - first) * element));
  Tensor to = flat.slice(0, first - wanted_begin, last - wanted_begin);
  if (to.dtype() == dtype) {
    std::memcpy(to.raw_data(), from.data(), from.size());
    return;
  }
  const NoGrad no_grad;
  const Tensor saved({last - first}, dtype);
  std::memcpy(saved.raw_data(), from.data(), from.size());
  to.copy_from(saved);
}

}  // namespace

void LoadFill::add(const SavedTensor& saved, const StateTensor& wanted) {
  const Tensor& part = wanted.part;
  if (wanted.count() == 0) return;
  const bool is_direct = part.device() == Device::cpu() && part.is_dense();
  const Tensor host = is_direct ? part : Tensor(part.shape(), part.dtype());
  if (!is_direct) {
    staged_.push_back({&wanted, host});
    staged_bytes_ += static_cast<int64_t>(host.bytes());
  }
  destinations_[&saved].push_back({wanted.begin, host.reshape({part.elements()})});
}

std::vector<LoadFill::Destination> LoadFill::destinations_of(const SavedTensor& saved,
                                                             const Piece& piece) const {
  std::vector<Destination> wanted;
  const auto found = destinations_.find(&saved);
  if (found == destinations_.end()) return wanted;
  for (const Destination& destination : found->second) {
    if (destination.begin < piece.begin + piece.count && piece.begin < destination.end())
      wanted.push_back(destination);
  }
  return wanted;
}

std::optional<PieceRead> LoadFill::read_of(const SavedTensor& saved, const Piece& piece) const {
  auto destinations = destinations_of(saved, piece);
  if (destinations.empty()) return std::nullopt;
  PieceRead read{&saved, &piece};
  const Destination& only = destinations.front();
  const bool is_in_place = destinations.size() == 1 && only.flat.dtype() == saved.dtype &&
                           only.begin <= piece.begin && piece.begin + piece.count <= only.end();
  const auto element = static_cast<int64_t>(size_of(saved.dtype));
  if (is_in_place) {
    read.into =
        static_cast<std::byte*>(only.flat.raw_data()) + (piece.begin - only.begin) * element;
    return read;
  }
  read.take = [dtype = saved.dtype, begin = piece.begin, element,
               destinations = std::move(destinations)](int64_t offset,
                                                       std::span<const std::byte> bytes) {
    for (const Destination& to : destinations)
      copy_or_convert(dtype, bytes, begin + offset / element, to.begin, to.flat);
  };
  return read;
}

void LoadFill::finish() {
  const NoGrad no_grad;
  for (Staged& staged : staged_) {
    Tensor part = staged.wanted->part;
    part.copy_from(staged.host);
  }
  *this = {};
}

}  // namespace ripieno::io
