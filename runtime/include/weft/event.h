#pragma once

#include <weft/detail/wait_list.h>

namespace weft {

namespace detail {
struct EventAccess;
}

/// A flag that fibers and threads wait for; asyncio's Event. All members may be called by any fiber
/// of any runtime and by any thread. It may be destroyed as soon as every wait() has returned, even
/// if the set() that ended them has not.
class Event {
 public:
  Event() = default;
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Returns at once if the flag is set; otherwise suspends the fiber (blocks the thread) until
  /// set() is called. Cancellable: throws Cancelled. A thread's first wait may throw
  /// std::bad_alloc.
  void wait();

  /// Sets the flag and makes everybody ready, in the order in which they came. What was done before
  /// is seen by them. Never suspends.
  void set() noexcept;

  /// Takes the flag down. Never suspends.
  void clear() noexcept;

  bool is_set() const noexcept;

 private:
  friend struct detail::EventAccess;
  detail::WaitList waiters_;
};

}  // namespace weft
