#pragma once

#include <cstdint>

namespace bench {

// A number of Fibonacci, and the tasks that it takes: one for each sum.
struct Fibonacci {
  std::int64_t value;
  std::int64_t tasks;
};

inline Fibonacci fibonacci(std::int64_t n) {
  Fibonacci last{1, 0};
  Fibonacci before{0, 0};
  for (std::int64_t i = 1; i < n; ++i) {
    const Fibonacci next{last.value + before.value, last.tasks + before.tasks + 1};
    before = last;
    last = next;
  }
  return last;
}

}  // namespace bench
