#pragma once

// An operation that the kernel has under way in a ring, and the fiber that waits for its end.
//
// It begins in the ring of the worker that its fiber runs on, and ends there: whoever reaps the
// completion wakes the fiber, which may then run anywhere. Until then the kernel may write to the
// fiber's memory. So the fiber does not return before ITS operation has ended, cancelled or not:
// one that is to stop asks the kernel to cancel, and goes on waiting.

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "base/spinlock.h"
#include "reactor/fd_table.h"
#include "reactor/uring_ring.h"
#include "sched/driver.h"
#include "sched/wait.h"

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

/// Kept by the fiber that waits, until the kernel has told its end.
struct RingRequest {
  /// By whoever reaps what its ring tells of it.
  static void finish(std::uint64_t user_data, Completion end, std::vector<Ready>& ready) noexcept {
    reinterpret_cast<RingRequest*>(user_data)->finish(end, ready);
  }
  /// What is to come back with the completions.
  std::uint64_t user_data() const noexcept { return reinterpret_cast<std::uintptr_t>(this); }

  /// Returns when the operation that `prepare(io_uring_sqe&)` describes has ended: with kNormal,
  /// or, if it was asked to stop, with why. Suspends.
  template <class Prepare>
  Wake run(Ring& ring, const FdOperation& operation, Prepare prepare);
  /// Has the kernel cancel it, and returns when it has ended. Suspends; is not cancelled.
  void stop(Ring& ring);

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

 private:
  void finish(Completion end, std::vector<Ready>& ready) noexcept;
  void cancel(Ring& ring) const noexcept;
  Wake wait(Ring& ring, const FdOperation& operation);
};

// Not that the request was stopped or is to be made again.
inline bool is_failure(int result) noexcept {
  return result < 0 && result != -ECANCELED && result != -EINTR && result != -EAGAIN;
}

template <class Prepare>
Wake RingRequest::run(Ring& ring, const FdOperation& operation, Prepare prepare) {
  const int error = ring.push([&](io_uring_sqe& entry) {
    prepare(entry);
    entry.user_data = user_data();
  });
  if (error == 0) return wait(ring, operation);
  end.result = -ENOMEM;
  return Wake::kNormal;
}

}  // namespace weft::detail
