#pragma once

// An operation that the kernel has under way, and whoever waits for its end.

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <new>
#include <vector>

#include "base/spinlock.h"
#include "reactor/uring.h"

namespace weft::detail {

/// Connections that were taken and have not been asked for yet, the oldest first.
class TakenConnections {
 public:
  /// Throws std::bad_alloc.
  TakenConnections() { numbers_.reserve(kUsual); }
  ~TakenConnections() {
    while (!empty()) ::close(pop());
  }
  TakenConnections(const TakenConnections&) = delete;
  TakenConnections& operator=(const TakenConnections&) = delete;

  bool empty() const noexcept { return first_ == numbers_.size(); }
  /// Where there is no memory to remember it in, that connection ends.
  void push(int number) noexcept {
    try {
      numbers_.push_back(number);
    } catch (const std::bad_alloc&) {
      ::close(number);
    }
  }
  /// Not when it is empty.
  int pop() noexcept {
    const int number = numbers_[first_++];
    if (empty()) {
      numbers_.clear();
      first_ = 0;
    }
    return number;
  }

 private:
  static constexpr std::size_t kUsual = 64;

  std::vector<int> numbers_;
  std::size_t first_ = 0;
};

// Where the fiber that waits keeps it, until the kernel has told its end.
struct UringReactor::Request {
  Spinlock lock;
  WakeToken waiter;    // under lock; set when the fiber is about to sleep, taken by who wakes it
  bool ended = false;  // under lock
  Completion end;      // under lock
  // Not 0: an operation that goes on, until one of these poll events has come. It is to be stopped
  // then.
  int events = 0;
  bool came = false;  // under lock
  // Not null: an operation that goes on, and tells of a connection each time. Under lock.
  TakenConnections* taken = nullptr;
};

// Not that the request was stopped or is to be made again.
inline bool is_failure(int result) noexcept {
  return result < 0 && result != -ECANCELED && result != -EINTR && result != -EAGAIN;
}

}  // namespace weft::detail
