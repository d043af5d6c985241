#pragma once

// An operation that the kernel has under way, and whoever waits for its end.

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/spinlock.h"
#include "reactor/uring.h"

namespace weft::detail {

/// A connection that was taken and has not been asked for yet. Closes it when it dies.
struct TakenConnection {
  explicit TakenConnection(int connection) noexcept : number(connection) {}
  ~TakenConnection() {
    if (number >= 0) ::close(number);
  }
  TakenConnection(const TakenConnection&) = delete;
  TakenConnection& operator=(const TakenConnection&) = delete;

  int number;
  std::unique_ptr<TakenConnection> next;
};

/// The oldest first. Whoever brings or takes one does so under a lock, and makes and ends it
/// without.
class TakenConnections {
 public:
  ~TakenConnections() {
    while (pop() != nullptr) continue;  // one by one: there may be many
  }

  bool empty() const noexcept { return first_ == nullptr; }
  void push(std::unique_ptr<TakenConnection>&& taken) noexcept {
    std::unique_ptr<TakenConnection>& end = first_ == nullptr ? first_ : last_->next;
    end = std::move(taken);
    last_ = end.get();
  }
  std::unique_ptr<TakenConnection> pop() noexcept {
    std::unique_ptr<TakenConnection> taken = std::move(first_);
    if (taken != nullptr) first_ = std::move(taken->next);
    return taken;
  }

 private:
  std::unique_ptr<TakenConnection> first_;
  TakenConnection* last_ = nullptr;  // where there is a first
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
  bool lost_one = false;  // under lock; there was no memory to remember it in
};

// Not that the request was stopped or is to be made again.
inline bool is_failure(int result) noexcept {
  return result < 0 && result != -ECANCELED && result != -EINTR && result != -EAGAIN;
}

}  // namespace weft::detail
