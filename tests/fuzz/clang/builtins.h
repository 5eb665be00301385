// __builtin_shuffle, which g++ has and clang lacks. Only for fuzzing, where its speed does not
// matter.
#pragma once

template <typename Values, typename Lanes>
inline Values __builtin_shuffle(Values first, Values second, Lanes lanes) {
  constexpr int count = sizeof(Values) / sizeof(first[0]);
  Values result = first;
  for (int i = 0; i < count; ++i)
    result[i] = lanes[i] < count ? first[lanes[i]] : second[lanes[i] - count];
  return result;
}
