#pragma once

// A range that is no container.

#include <cstddef>

namespace support {

/// Makes callables that return 0, 1, 2 and so on, one at a time and once only.
class Counter {
 public:
  struct Callable {
    long number;
    long operator()() const { return number; }
  };
  class Iterator {
   public:
    using value_type = Callable;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(long number) : number_(number) {}
    Callable operator*() const { return {number_}; }
    Iterator& operator++() {
      ++number_;
      return *this;
    }
    void operator++(int) { ++number_; }
    friend bool operator==(const Iterator& left, const Iterator& right) {
      return left.number_ == right.number_;
    }

   private:
    long number_ = 0;
  };

  explicit Counter(long count) : count_(count) {}
  Iterator begin() const { return Iterator(0); }
  Iterator end() const { return Iterator(count_); }

 private:
  long count_;
};

}  // namespace support
