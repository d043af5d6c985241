#pragma once

// Waits for descriptors that somebody else owns: those of blocking code, which closes them,
// duplicates them and shares them with plain threads as it likes, and tells nobody.
//
// So nothing is believed of a number from one wait to the next. Each wait arms it, in one call as a
// rule: EPOLL_CTL_MOD, which the kernel refuses if the file under that number is another by now,
// and then ADD. Either is answered with the readiness that there is at that moment, so no event can
// come too early to be seen; and either asks for one event (EPOLLONESHOT), so what nobody waits for
// any more is told once at most. An event tells by which arming it was asked for: what was asked
// for earlier may be of the file that had the number before.
//
// Invariants
//  1. Under an entry's lock its waiters are linked and it is armed for all that they wait for; who
//     posts an event takes off, under it, the waiters whom the event concerns, and arms it again
//     for the others. So whoever is linked is told of the next event.
//  2. Who posts touches a wait under the lock of an entry where that is linked. A wait takes the
//     locks of all its entries before its frame goes.
//  3. An entry's lock is taken before a wait's.
//  4. Who closes a number has counted itself in before it takes off those who wait, and out after
//     the kernel has closed it, and forgotten what was armed. Who links looks at that count, and
//     arms then: so it is taken off, or arms what is there after the close, or looks again later.

#include <poll.h>
#include <sys/epoll.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/atomic.h"
#include "base/list.h"
#include "base/spinlock.h"
#include "reactor/number_table.h"
#include "sched/driver.h"
#include "sched/wait.h"

namespace weft::detail {

class ForeignWaits {
 public:
  /// Where nothing can be told of a descriptor, one looks at it so often, in nanoseconds.
  static constexpr Nanos kLookAgain = 1'000'000;

  /// Events are asked for at `epoll`, and posted by whoever waits there, whose it stays.
  explicit ForeignWaits(int epoll) noexcept;
  ForeignWaits(const ForeignWaits&) = delete;
  ForeignWaits& operator=(const ForeignWaits&) = delete;

  /// Waits until poll(2) may find something among `items`: kNormal, and where an event has told of
  /// it, what the event has told in `revents`, which is 0 elsewhere. Else kTimeout (`deadline`, as
  /// of suspend_until), kClosed (by Closing, which leaves POLLNVAL in `revents`) or kCancelled.
  /// Of what poll(2) always finds ready it does not wait at all. Throws std::bad_alloc, and for
  /// numbers above four million std::system_error.
  Wake wait(std::span<pollfd> items, Nanos deadline, Cancellable cancellable = Cancellable::kYes);

  /// Around the call that closes `fd`: whoever waits for it here, in any runtime, learns of it.
  class Closing {
   public:
    explicit Closing(int fd) noexcept;
    Closing(unsigned first, unsigned last) noexcept;  // all numbers between, including both
    ~Closing();
    Closing(const Closing&) = delete;
    Closing& operator=(const Closing&) = delete;

   private:
    const unsigned first_;
    const unsigned count_;
    const unsigned forks_;  // a child begins with no closes, and none of its parent's ends there
  };

  /// What was armed for the number here is another's now: whoever waits for it is to look.
  void look_again(int fd) noexcept;

  /// In the child of a fork(2), where nobody waits and no lock is held: those who did are threads
  /// and fibers of the parent. What they had is leaked.
  static void forget_parent() noexcept;

  /// Whether an event's key is of those asked for here.
  static bool owns(std::uint64_t key) noexcept { return (key & kMark) != 0; }
  /// Appends whom the event concerns.
  void post(const epoll_event& event, std::vector<Ready>& ready) noexcept;

 private:
  struct Wait;
  struct Node;
  struct Entry;
  class Nodes;

  static constexpr std::uint64_t kMark = std::uint64_t{1} << 31;  // which no number has

  static NumberTable<Entry>& table() noexcept;
  static void tell_closed(Entry& entry) noexcept;
  static void end(Wait& wait, Wake reason, std::vector<Ready>* ready) noexcept;
  bool link(Node& node, Entry& entry) noexcept;
  int arm(Entry& entry) noexcept;  // under its lock

  const int epoll_;
};

}  // namespace weft::detail
