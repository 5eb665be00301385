#include "ripieno/distributed/communicators/exchange.h"

#include <algorithm>
#include <cstring>

#include "ripieno/core/tensor.h"

namespace ripieno::distributed {

std::vector<int64_t> gather(Communicator& communicator, int64_t value) {
  Tensor values({communicator.size()}, DType::int64);
  communicator.all_gather(values, Tensor::of<int64_t>({1}, {value}));
  return values.to_vector<int64_t>();
}

// Sends texts as int64, padded to the longest.
std::vector<std::string> gather(Communicator& communicator, const std::string& text) {
  const auto sizes = gather(communicator, static_cast<int64_t>(text.size()));
  const int64_t words = (*std::max_element(sizes.begin(), sizes.end()) + 7) / 8;

  Tensor mine = Tensor::zeros({words}, DType::int64);
  if (!text.empty()) std::memcpy(mine.raw_data(), text.data(), text.size());
  Tensor all({communicator.size(), words}, DType::int64);
  communicator.all_gather(all, mine);

  std::vector<std::string> texts;
  const char* bytes = static_cast<const char*>(all.raw_data());
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    texts.emplace_back(bytes + rank * static_cast<std::size_t>(words) * 8,
                       static_cast<std::size_t>(sizes[rank]));
  }
  return texts;
}

std::string from_rank_0(Communicator& communicator, const std::string& text) {
  return gather(communicator, communicator.rank() == 0 ? text : std::string()).front();
}

}  // namespace ripieno::distributed
