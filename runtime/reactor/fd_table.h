#pragma once

// Every descriptor that fibers wait on, by number. The entries are type-stable: they are never
// freed, so a late event or a late operation finds a newer generation, never freed memory.
//
// Roles. An owner opens the entry for a number that the kernel gave it. Operations, from many
// threads, are inside between enter() and leave(). Anyone may close. A poller posts the kernel's
// events.
//
//            open(): generation + 1         close()              the last one leaves
//     Closed ----------------------> Open ----------> Closing ----------------------> Closed
//                                                                and then close(2)
//
// Invariants
//  1. close(2) runs once a generation, when the last operation has left: no system call ever runs
//     on a number that has meanwhile been given to another file. (Go's internal/poll/fd_mutex.go.)
//  2. The entry is Closed before close(2) is called, for at that moment another thread may open the
//     same number.
//  3. Who closes counts as an operation until it has woken the waiters; if it left earlier, it
//     could wake those of the next generation.
//  4. A waiter is linked under lock_, while its generation is open and its direction not ready. Who
//     makes the direction ready does it under lock_, and who closes marks the state first and then
//     takes lock_; both then take the waiters off. So nobody sleeps through either.
//  5. "Not ready" is noted only over the very value that was read before the system call. Every
//     event changes the value, so an event that came between the call's EAGAIN and the note wins.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/atomic.h"
#include "base/list.h"
#include "base/spinlock.h"
#include "reactor/number_table.h"
#include "sched/driver.h"
#include "sched/wait.h"

namespace weft::detail {

enum class Direction : std::uint8_t { kRead, kWrite };

/// What is known of one direction of a descriptor, at one moment.
class Readiness {
 public:
  constexpr explicit Readiness(std::uint64_t value) noexcept : value_(value) {}

  /// A system call may succeed. Its opposite is certain: it would answer EAGAIN.
  bool ready() const noexcept { return (value_ & kReady) != 0; }
  /// The other side has gone: a call that transferred less than it might have says nothing about
  /// the next.
  bool hung_up() const noexcept { return (value_ & kHungUp) != 0; }

 private:
  friend class FdEntry;
  static constexpr std::uint64_t kReady = 1;
  static constexpr std::uint64_t kHungUp = 2;
  static constexpr std::uint64_t kOneTick = 4;

  std::uint64_t value_;  // the rest counts the events: the tick
};

/// What the kernel reported of one descriptor.
struct FdEvent {
  bool readable = false, writable = false;
  bool read_hung_up = false, write_hung_up = false;
};

/// Where the events of a descriptor go. Shared by a reactor and the entries it watches, as either
/// may end first.
struct FdHome {
  // Raised by the first to wait on a descriptor there, lowered when it is closed; read by active().
  // Only a hint.
  Atomic<std::int64_t> descriptors{0};
};

class alignas(64) FdEntry : public Numbered {
 public:
  using Generation = std::uint32_t;

  FdEntry() = default;
  FdEntry(const FdEntry&) = delete;
  FdEntry& operator=(const FdEntry&) = delete;

  // -- Life.

  /// By whoever has just got the number from the kernel. If the number was closed behind our back,
  /// its former users are told that it is closed.
  Generation open() noexcept;
  /// True: the number is the caller's until it calls leave().
  bool enter(Generation generation) noexcept;
  void leave(Generation generation) noexcept;
  /// Wakes all who wait, with Wake::kClosed. False when that had been done before.
  bool close(Generation generation) noexcept;
  bool is_open(Generation generation) const noexcept {
    return is_open(state_.load(std::memory_order_acquire), generation);
  }

  /// Whether somebody has it open now.
  bool is_open() const noexcept {
    const std::uint64_t state = state_.load(std::memory_order_acquire);
    return state != 0 && (state & kClosing) == 0;
  }

  // -- Readiness; by operations that are inside.

  Readiness readiness(Direction direction) const noexcept {
    return Readiness(readiness_[index(direction)].load(std::memory_order_acquire));  // [fd-ready]
  }
  /// Remembers that a system call made after `seen` was read left nothing to do.
  void note_unready(Direction direction, Readiness seen) noexcept;
  /// Remembers that a system call may succeed.
  void note_ready(Direction direction) noexcept;
  /// Waits until the direction may be ready: kNormal, kClosed or kCancelled. Nothing when events do
  /// not go to `home`.
  std::optional<Wake> wait(Generation generation, Direction direction, const FdHome* home);
  /// For a wait of another kind that must not outlast the descriptor: kClosed as soon as that is
  /// closed, otherwise why whoever knows current_token() ended the wait. They have it from `note`,
  /// under `held`, a lock of the caller's: that is released once it is asleep, or, the descriptor
  /// being closed already, when the note has been taken back.
  Wake wait_for_close(Generation generation, Spinlock& held, WakeToken& note);

  // -- Where events go; by operations that are inside.

  /// False when they go there already, or will in a moment.
  bool move_to(const std::shared_ptr<FdHome>& home) noexcept;
  /// The kernel has refused. Those who wait are woken, to find out themselves.
  void leave_home(const FdHome* home) noexcept;

  // -- By a poller.

  /// Notes the event and appends whom it concerns. Ignored when the generation is over.
  void post(Generation generation, FdEvent event, std::vector<Ready>& woken) noexcept;

 private:
  struct Waiter : ListNode<> {
    explicit Waiter(WakeToken waiter) noexcept : token(waiter) {}
    const WakeToken token;
  };

  static constexpr std::uint64_t kOneOperation = 1;
  static constexpr std::uint64_t kOperationMask = (std::uint64_t{1} << 31) - 1;
  static constexpr std::uint64_t kClosing = std::uint64_t{1} << 31;
  static constexpr unsigned kGenerationShift = 32;

  static constexpr std::size_t index(Direction direction) noexcept {
    return static_cast<std::size_t>(direction);
  }
  static constexpr Generation generation_of(std::uint64_t state) noexcept {
    return static_cast<Generation>(state >> kGenerationShift);
  }
  static constexpr bool is_open(std::uint64_t state, Generation generation) noexcept {
    return generation_of(state) == generation && (state & kClosing) == 0;
  }
  void raise(Direction direction, bool hung_up) noexcept;                   // under lock_
  void take_waiters(Direction direction, std::vector<Ready>& to) noexcept;  // under lock_
  enum class WakeWhom : std::uint8_t { kAll, kUnwatched };
  std::optional<WakeToken> pop_waiter(WakeWhom whom) noexcept;
  void wake_all(Wake reason, WakeWhom whom = WakeWhom::kAll) noexcept;
  void finish_close() noexcept;

  // Generation (high half), closing bit, count of operations inside. Changed by compare-and-swap;
  // by open(), which nobody races with, by a store. Release by leave() and acquire by the last to
  // leave: close(2) comes after every system call of the others. [fd-state]
  Atomic<std::uint64_t> state_{kClosing};
  // Values of Readiness. Raised under lock_, lowered by compare-and-swap without it; read by
  // anyone. They publish nothing but themselves, yet acquire and release keep a system call between
  // the read and the note. [fd-ready]
  Atomic<std::uint64_t> readiness_[2] = {Atomic<std::uint64_t>{0}, Atomic<std::uint64_t>{0}};
  Spinlock lock_;
  List<Waiter> waiters_[2];       // under lock_
  std::shared_ptr<FdHome> home_;  // under lock_
};

/// By number, for numbers that come back from the kernel, too.
class FdTable : public NumberTable<FdEntry> {
 public:
  static FdTable& instance() noexcept;
};

/// Owns one descriptor: closes it when it dies. Its members do not change while it lives, so any
/// thread may close it while others use it.
class Descriptor {
 public:
  Descriptor() = default;
  /// Takes `fd` over, even if it throws (see FdTable::entry).
  explicit Descriptor(int fd);
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { close(); }

  /// False when it was closed before.
  bool close() noexcept { return entry_ != nullptr && entry_->close(generation_); }
  bool is_open() const noexcept { return entry_ != nullptr && entry_->is_open(generation_); }
  /// The number, or -1. It may be closed by then.
  int fd() const noexcept { return entry_ != nullptr ? entry_->fd() : -1; }

 private:
  friend class FdOperation;
  FdEntry* entry_ = nullptr;
  FdEntry::Generation generation_ = 0;
};

/// Holds a descriptor's number for the time of a call on it.
class FdOperation {
 public:
  explicit FdOperation(const Descriptor& descriptor) noexcept;
  ~FdOperation();
  FdOperation(const FdOperation&) = delete;
  FdOperation& operator=(const FdOperation&) = delete;

  /// False: the descriptor is closed.
  explicit operator bool() const noexcept { return entry_ != nullptr; }
  int fd() const noexcept { return entry_->fd(); }
  FdEntry& entry() const noexcept { return *entry_; }
  FdEntry::Generation generation() const noexcept { return generation_; }

 private:
  FdEntry* entry_;
  FdEntry::Generation generation_;
};

}  // namespace weft::detail
