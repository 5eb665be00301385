// Typed tests of the requirements on every Communicator.
//
// The type parameter has `static void on_every_rank(body)`, which calls body(Communicator&) on
// every rank: in threads, or in this process if it is one rank; and `static int summed_first(const
// Communicator&)`, the number of consecutive ranks that are summed first: all, or those of a host.
// Instantiate with INSTANTIATE_TYPED_TEST_SUITE_P.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "distributed/allocations.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed::testing {

// Period of number(): a prime, so that no two chunks of a collective begin with the same elements.
constexpr int64_t kPeriod = 4099;

// Element i of rank `rank`. Values vary so much that their sums depend on the order.
template <typename T>
T number(int rank, int64_t i) {
  uint64_t bits = (static_cast<uint64_t>(rank) << 40 ^ static_cast<uint64_t>(i % kPeriod)) + 1;
  bits *= 0x9e3779b97f4a7c15u;
  bits ^= bits >> 29;
  bits *= 0xbf58476d1ce4e5b9u;
  if constexpr (std::is_same_v<T, bool>) return bits >> 13 & 1;
  if constexpr (std::is_integral_v<T>) return static_cast<T>(bits >> 8);
  const double mantissa = 1.0 + static_cast<double>(bits >> 20 & 0xffff) / 65536;
  const auto exponent = static_cast<int>(bits >> 60) - 8;
  return static_cast<T>(static_cast<float>(std::ldexp(bits & 1 ? mantissa : -mantissa, exponent)));
}

// one(0) + … + one(count - 1). Independent of the library's implementation.
template <typename T, typename One>
T sum_in_order_of(int count, const One& one) {
  using Total = std::conditional_t<sizeof(T) == 2, float, T>;
  auto sum = static_cast<Total>(one(0));
  for (int i = 1; i < count; ++i) sum += static_cast<Total>(one(i));
  return static_cast<T>(sum);
}

// The order of a sum: groups of `summed_first` ranks first, then their sums.
struct Order {
  int size = 1;
  int summed_first = 1;
};
template <typename T>
T sum_of_numbers(const Order& order, int64_t i) {
  return sum_in_order_of<T>(order.size / order.summed_first, [&](int group) {
    return sum_in_order_of<T>(order.summed_first, [&](int rank) {
      return number<T>(group * order.summed_first + rank, i);
    });
  });
}

// one(begin), one(begin + 1), …; `one` has the period kPeriod.
template <typename T, typename One>
std::vector<T> sequence(int64_t begin, int64_t elements, const One& one) {
  std::vector<T> result(static_cast<std::size_t>(elements));
  int64_t filled = std::min(kPeriod, elements);
  for (int64_t i = 0; i < filled; ++i) result[static_cast<std::size_t>(i)] = one(begin + i);
  for (; filled < elements; filled *= 2) {
    std::copy_n(result.begin(), std::min(filled, elements - filled), result.begin() + filled);
  }
  return result;
}

// The elements of rank `rank`, and the sums over all ranks.
template <typename T>
std::vector<T> numbers(int rank, int64_t elements) {
  return sequence<T>(0, elements, [&](int64_t i) { return number<T>(rank, i); });
}
template <typename T>
std::vector<T> sums(const Order& order, int64_t begin, int64_t elements) {
  return sequence<T>(begin, elements, [&](int64_t i) { return sum_of_numbers<T>(order, i); });
}

template <typename T>
Tensor tensor_of(const std::vector<T>& numbers) {
  const Tensor result({static_cast<int64_t>(numbers.size())}, dtype_of<T>);
  std::copy(numbers.begin(), numbers.end(), result.data<T>());
  return result;
}

// The first element whose bits differ, or -1.
template <typename T>
int64_t first_difference(const Tensor& actual, const std::vector<T>& expected) {
  if (actual.elements() != static_cast<int64_t>(expected.size())) return 0;
  const T* data = actual.data<T>();
  if constexpr (!std::is_same_v<T, bool>) {  // std::vector<bool> has no data()
    if (expected.empty() || std::memcmp(data, expected.data(), actual.bytes()) == 0) return -1;
  }
  for (int64_t i = 0; i < actual.elements(); ++i) {
    const T value = expected[static_cast<std::size_t>(i)];
    if (std::memcmp(data + i, &value, sizeof(T)) != 0) return i;
  }
  return -1;
}

// Calls body.operator()<T>(elements) for every element type that can be summed, and for several
// sizes; `parts` tensors of the largest take more than 8 MiB.
template <typename Body>
void for_every_type_and_size(int parts, const Body& body) {
  const auto sizes = [&]<typename T>() {
    const auto large = static_cast<int64_t>((8u << 20) / sizeof(T)) / parts + 3;
    for (const int64_t elements : {int64_t{0}, int64_t{1}, int64_t{31}, int64_t{1001}, large}) {
      SCOPED_TRACE(std::string(name_of(dtype_of<T>)) + " x " + std::to_string(elements));
      body.template operator()<T>(elements);
    }
  };
  sizes.template operator()<float>();
  sizes.template operator()<double>();
  sizes.template operator()<bfloat16>();
  sizes.template operator()<float16>();
  sizes.template operator()<int64_t>();
}

// The same including types that can only be copied.
template <typename Body>
void for_every_copied_type_and_size(int parts, const Body& body) {
  for_every_type_and_size(parts, body);
  for (const int64_t elements : {0, 1, 1001}) {
    body.template operator()<int32_t>(elements);
    body.template operator()<uint8_t>(elements);
    body.template operator()<bool>(elements);
  }
}

template <typename Group>
Order order_of(const Communicator& ranks) {
  return {ranks.size(), Group::summed_first(ranks)};
}

template <typename Group>
class CommunicatorConformance : public ::testing::Test {};

TYPED_TEST_SUITE_P(CommunicatorConformance);

TYPED_TEST_P(CommunicatorConformance, AllReduceSumsInRankOrder) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    for_every_type_and_size(1, [&]<typename T>(int64_t elements) {
      const Tensor x = Tensor::of({elements}, numbers<T>(ranks.rank(), elements));
      ranks.all_reduce(x);
      EXPECT_EQ(first_difference(x, sums<T>(order_of<TypeParam>(ranks), 0, elements)), -1);
    });
  });
}

TYPED_TEST_P(CommunicatorConformance, ReduceScatterGivesEachRankItsPart) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    for_every_type_and_size(ranks.size(), [&]<typename T>(int64_t elements) {
      const int64_t all = elements * ranks.size(), begin = elements * ranks.rank();
      const Tensor in = Tensor::of({all}, numbers<T>(ranks.rank(), all)),
                   out({elements}, dtype_of<T>);
      ranks.reduce_scatter(out, in);
      EXPECT_EQ(first_difference(out, sums<T>(order_of<TypeParam>(ranks), begin, elements)), -1);
      EXPECT_EQ(first_difference(in, numbers<T>(ranks.rank(), all)), -1) << "the input changed";
    });
  });
}

TYPED_TEST_P(CommunicatorConformance, AllGatherConcatenatesInRankOrder) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    for_every_copied_type_and_size(ranks.size(), [&]<typename T>(int64_t elements) {
      const Tensor in = tensor_of(numbers<T>(ranks.rank(), elements));
      const Tensor out({ranks.size(), elements}, dtype_of<T>);
      ranks.all_gather(out, in);
      for (int rank = 0; rank < ranks.size(); ++rank) {
        EXPECT_EQ(first_difference(out.slice(0, rank, rank + 1), numbers<T>(rank, elements)), -1);
      }
    });
  });
}

TYPED_TEST_P(CommunicatorConformance, AllToAllSendsEachRankItsPart) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    for_every_copied_type_and_size(ranks.size(), [&]<typename T>(int64_t elements) {
      const int64_t all = elements * ranks.size(), begin = elements * ranks.rank();
      const Tensor in = tensor_of(numbers<T>(ranks.rank(), all));
      const Tensor out({ranks.size(), elements}, dtype_of<T>);
      ranks.all_to_all(out, in);
      for (int rank = 0; rank < ranks.size(); ++rank) {
        const auto sent =
            sequence<T>(begin, elements, [&](int64_t i) { return number<T>(rank, i); });
        EXPECT_EQ(first_difference(out.slice(0, rank, rank + 1), sent), -1);
      }
    });
  });
}

TYPED_TEST_P(CommunicatorConformance, SixtyFourMebibytesAreSummed) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    constexpr int64_t kElements = (int64_t{64} << 20) / 4;
    const Tensor x = tensor_of(numbers<float>(ranks.rank(), kElements));
    ranks.all_reduce(x);
    EXPECT_EQ(first_difference(x, sums<float>(order_of<TypeParam>(ranks), 0, kElements)), -1);
  });
}

TYPED_TEST_P(CommunicatorConformance, BroadcastCopiesFromAnyRoot) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    for_every_copied_type_and_size(1, [&]<typename T>(int64_t elements) {
      const auto root = static_cast<int>(elements % ranks.size());
      const Tensor x = tensor_of(numbers<T>(ranks.rank(), elements));
      ranks.broadcast(x, root);
      EXPECT_EQ(first_difference(x, numbers<T>(root, elements)), -1);
    });
  });
}

TYPED_TEST_P(CommunicatorConformance, APartMayAliasTheWhole) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    constexpr int64_t kPart = 300001;
    const int64_t all = kPart * ranks.size(), begin = kPart * ranks.rank();
    const Tensor x = Tensor::of({all}, numbers<float>(ranks.rank(), all));
    const Tensor mine = x.slice(0, begin, begin + kPart);
    ranks.reduce_scatter(mine, x);
    ranks.all_gather(x, mine);
    EXPECT_EQ(first_difference(x, sums<float>(order_of<TypeParam>(ranks), 0, all)), -1);
  });
}

TYPED_TEST_P(CommunicatorConformance, TensorsOfAnyShapeAreReduced) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const Tensor x = Tensor::full({3, 5, 7}, 1.0), scalar = Tensor::full({}, 2.0, DType::float64);
    ranks.all_reduce(x);
    ranks.all_reduce(scalar);
    EXPECT_EQ(x.to_vector<float>(), std::vector<float>(105, static_cast<float>(ranks.size())));
    EXPECT_EQ(scalar.item(), 2.0 * ranks.size());
  });
}

TYPED_TEST_P(CommunicatorConformance, ConsecutiveCollectivesDoNotInterfere) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    for (int round = 0; round < 200; ++round) {
      const Tensor x = Tensor::full({round}, 1.0), y = Tensor::full({2}, ranks.rank());
      ranks.all_reduce(x);
      ranks.broadcast(y, round % ranks.size());
      ranks.barrier();
      const std::vector<float> sums(static_cast<std::size_t>(round),
                                    static_cast<float>(ranks.size()));
      ASSERT_EQ(x.to_vector<float>(), sums);
      ASSERT_EQ(y.to_vector<float>(),
                std::vector<float>(2, static_cast<float>(round % ranks.size())));
    }
  });
}

TYPED_TEST_P(CommunicatorConformance, ADuplicateIsOrderedIndependently) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const auto other = ranks.duplicate();
    ASSERT_EQ(other->rank(), ranks.rank());
    ASSERT_EQ(other->size(), ranks.size());
    const auto count = [](Communicator& group) {
      const Tensor x = Tensor::full({1001}, 1.0, DType::int64);
      for (int round = 0; round < 20; ++round) group.all_reduce(x);
      return x.to_vector<int64_t>().back();
    };
    int64_t of_duplicate = 0;
    std::thread thread([&] { of_duplicate = count(*other); });
    const int64_t of_ranks = count(ranks);
    thread.join();
    EXPECT_EQ(of_ranks, of_duplicate);
  });
}

TYPED_TEST_P(CommunicatorConformance, ADuplicateHasTheSameRanks) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const auto other = ranks.duplicate();
    EXPECT_EQ(other->local_rank(), ranks.local_rank());
    EXPECT_EQ(other->local_size(), ranks.local_size());
    const Tensor x = tensor_of(numbers<float>(ranks.rank(), 1001));
    other->all_reduce(x);
    EXPECT_EQ(first_difference(x, sums<float>(order_of<TypeParam>(ranks), 0, 1001)), -1);
  });
}

TYPED_TEST_P(CommunicatorConformance, SplitGroupsByColorAndOrdersByKey) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const int color = ranks.rank() % 2, last = (ranks.size() - 1 - color) / 2 * 2 + color;
    const auto group = ranks.split(color, -ranks.rank());
    EXPECT_EQ(group->size(), last / 2 + 1);
    EXPECT_EQ(group->rank(), (last - ranks.rank()) / 2);
    const Tensor x = Tensor::full({5}, ranks.rank() + 1.0), y = Tensor::full({3}, ranks.rank());
    group->all_reduce(x);
    group->broadcast(y, 0);
    float sum = 0;
    for (int rank = color; rank < ranks.size(); rank += 2) sum += static_cast<float>(rank) + 1;
    EXPECT_EQ(x.to_vector<float>(), std::vector<float>(5, sum));
    EXPECT_EQ(y.to_vector<float>(), std::vector<float>(3, static_cast<float>(last)));
  });
}

TYPED_TEST_P(CommunicatorConformance, EqualKeysAreOrderedByRank) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const auto group = ranks.split(7, 3), part = group->split(group->rank(), 0);
    EXPECT_EQ(group->rank(), ranks.rank());
    EXPECT_EQ(part->size(), 1);
    EXPECT_THROW(ranks.split(-1, 0), Error);
  });
}

// A tensor of `numbers` in `memory`, or in default memory if that is null.
template <typename T>
Tensor tensor_in(MemoryResource* memory, const std::vector<T>& numbers) {
  const Tensor x = tensor_of(numbers);
  if (memory == nullptr || numbers.empty()) return x;
  const auto storage = allocate_storage(x.bytes(), Device::cpu(), *memory);
  const Tensor result = tensor_over(storage, 0, {x.elements()}, {1}, x.dtype());
  result.detach().copy_from(x);
  return result;
}

TYPED_TEST_P(CommunicatorConformance, SharedMemoryGivesBitwiseIdenticalResults) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const auto memory = ranks.shared_memory(std::size_t{9} << 20);
    for_every_type_and_size(1, [&]<typename T>(int64_t elements) {
      const Tensor x = tensor_in(memory.get(), numbers<T>(ranks.rank(), elements));
      ranks.all_reduce(x);
      EXPECT_EQ(first_difference(x, sums<T>(order_of<TypeParam>(ranks), 0, elements)), -1);
    });
    for_every_type_and_size(ranks.size(), [&]<typename T>(int64_t elements) {
      const int64_t all = elements * ranks.size(), begin = elements * ranks.rank();
      const Tensor x = tensor_in(memory.get(), numbers<T>(ranks.rank(), all));
      const Tensor mine = x.slice(0, begin, begin + elements), out({elements}, dtype_of<T>);
      ranks.reduce_scatter(out, x);
      EXPECT_EQ(first_difference(out, sums<T>(order_of<TypeParam>(ranks), begin, elements)), -1);
      EXPECT_EQ(first_difference(x, numbers<T>(ranks.rank(), all)), -1) << "the input changed";
      ranks.reduce_scatter(mine, x);
      ranks.all_gather(x, mine);
      EXPECT_EQ(first_difference(x, sums<T>(order_of<TypeParam>(ranks), 0, all)), -1);
    });
  });
}

TYPED_TEST_P(CommunicatorConformance, SharedMemoryServesADuplicateAndPartsOfTensors) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const auto memory = ranks.shared_memory(std::size_t{1} << 20);
    const auto other = ranks.duplicate();
    const Tensor x = tensor_in(memory.get(), numbers<float>(ranks.rank(), 100003));
    const Tensor part = x.slice(0, 1001, 90001);
    for (int round = 0; round < 3; ++round) other->all_reduce(part);
    ranks.all_reduce(x.slice(0, 0, 1001));
    other->barrier();
    EXPECT_EQ(
        first_difference(x.slice(0, 0, 1001), sums<float>(order_of<TypeParam>(ranks), 0, 1001)),
        -1);
    EXPECT_EQ(first_difference(
                  x.slice(0, 90001, 100003),
                  sequence<float>(90001, 10002,
                                  [&](int64_t i) { return number<float>(ranks.rank(), i); })),
              -1);
  });
}

TYPED_TEST_P(CommunicatorConformance, ResultsInSharedMemoryAreCompleteAndNotOverwritten) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const auto memory = ranks.shared_memory(std::size_t{1} << 20);
    const Tensor x = tensor_in(memory.get(), std::vector<float>(100000));
    const Tensor part({100000 / 60 / ranks.size()}), whole({part.elements() * ranks.size()});
    const float* data = x.data<float>();
    for (int round = 1; round <= 200; ++round) {
      x.detach().fill(round);
      ranks.all_reduce(x);
      const auto sum = static_cast<float>(ranks.size() * round);
      ASSERT_EQ(data[99999], sum);
      ASSERT_EQ(data[100000 / ranks.size() - 1], sum);
      ASSERT_EQ(data[0], sum);
      ranks.reduce_scatter(part, x.slice(0, 0, whole.elements()));
      x.detach().fill(-1.0);  // immediately, while other ranks may still be in the collective
      const float both = sum * static_cast<float>(ranks.size());
      ASSERT_EQ(part.data<float>()[part.elements() - 1], both);
      ranks.all_gather(x.slice(0, 0, whole.elements()), part);
      ASSERT_EQ(data[whole.elements() - 1], both);
    }
  });
}

TYPED_TEST_P(CommunicatorConformance, TensorsAtDifferentOffsetsOfSharedMemoryAreSummed) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const auto memory = ranks.shared_memory(std::size_t{8} << 20);
    const auto mine = numbers<float>(ranks.rank(), 500003);
    const Tensor other_size = tensor_in(memory.get(), std::vector<float>(ranks.rank() + 1u));
    const Tensor x = tensor_in(ranks.rank() == 1 ? nullptr : memory.get(), mine);
    ranks.all_reduce(x);
    EXPECT_EQ(first_difference(x, sums<float>(order_of<TypeParam>(ranks), 0, 500003)), -1);
    const Tensor y = tensor_in(memory.get(), mine);
    ranks.all_reduce(y);
    EXPECT_EQ(first_difference(y, sums<float>(order_of<TypeParam>(ranks), 0, 500003)), -1);
  });
}

TYPED_TEST_P(CommunicatorConformance, ASecondRoundAllocatesNothing) {
  TypeParam::on_every_rank([](Communicator& ranks) {
    const Tensor x = Tensor::full({600000}, 1.0), part({600000 / 60 / ranks.size()});
    const Tensor whole({part.elements() * ranks.size()}), sent({whole.elements()});
    const auto round = [&] {
      ranks.all_reduce(x);
      ranks.all_to_all(whole, sent);
      ranks.reduce_scatter(part, whole);
      ranks.all_gather(whole, part);
      ranks.broadcast(x, 0);
      ranks.barrier();
    };
    round();
    const int64_t before = allocations();
    round();
    EXPECT_EQ(allocations() - before, 0);
  });
}

TYPED_TEST_P(CommunicatorConformance, InvalidTensorsAreRejectedWithTheirShapesAndTypes) {
  using ::testing::HasSubstr;
  using ::testing::ThrowsMessage;
  TypeParam::on_every_rank([](Communicator& ranks) {
    const Tensor x({4, 3}), counts({4}, DType::int32), whole({ranks.size() * 4 + 1}), part({4});
    EXPECT_THAT([&] { ranks.all_reduce(x.transpose(0, 1)); },
                ThrowsMessage<Error>(
                    HasSubstr("all_reduce: the tensor of shape (3, 4) is not contiguous")));
    EXPECT_THAT([&] { ranks.all_reduce(counts); },
                ThrowsMessage<Error>(HasSubstr("cannot sum int32")));
    EXPECT_THAT([&] { ranks.reduce_scatter(part, whole); },
                ThrowsMessage<Error>(HasSubstr("x 4 elements of out")));
    EXPECT_THAT([&] { ranks.all_gather(counts, part); },
                ThrowsMessage<Error>(HasSubstr("all_gather: out is int32, in is float32")));
    EXPECT_THAT([&] { ranks.all_to_all(counts, part); },
                ThrowsMessage<Error>(HasSubstr("all_to_all: out is int32, in is float32")));
    EXPECT_THAT([&] { ranks.all_to_all(whole, part); },
                ThrowsMessage<Error>(HasSubstr("they must match and be divisible")));
    EXPECT_THAT([&] { ranks.broadcast(x, ranks.size()); },
                ThrowsMessage<Error>(HasSubstr("broadcast: root is rank")));
  });
}

REGISTER_TYPED_TEST_SUITE_P(
    CommunicatorConformance, AllReduceSumsInRankOrder, ReduceScatterGivesEachRankItsPart,
    AllGatherConcatenatesInRankOrder, AllToAllSendsEachRankItsPart, SixtyFourMebibytesAreSummed,
    BroadcastCopiesFromAnyRoot, APartMayAliasTheWhole, TensorsOfAnyShapeAreReduced,
    ConsecutiveCollectivesDoNotInterfere, ADuplicateIsOrderedIndependently,
    ADuplicateHasTheSameRanks, SplitGroupsByColorAndOrdersByKey, EqualKeysAreOrderedByRank,
    SharedMemoryGivesBitwiseIdenticalResults, ResultsInSharedMemoryAreCompleteAndNotOverwritten,
    SharedMemoryServesADuplicateAndPartsOfTensors, TensorsAtDifferentOffsetsOfSharedMemoryAreSummed,
    ASecondRoundAllocatesNothing, InvalidTensorsAreRejectedWithTheirShapesAndTypes);

}  // namespace ripieno::distributed::testing
