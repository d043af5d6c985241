#pragma once

// The descriptor of a fiber. Descriptors are type-stable: their memory is never given back or used
// for anything else, so a late wake-up, timer or debugger that still holds a pointer finds a newer
// epoch, never freed memory.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/atomic.h"
#include "fiber/context.h"
#include "fiber/sanitizer.h"
#include "fiber/stack.h"
#include "fiber/wait_word.h"

namespace weft::detail {

class Scheduler;
class Worker;
struct Fiber;

/// What the scheduler asks of whoever made a fiber (the task layer).
struct FiberCode {
  /// The fiber's whole life, on its own stack. Must not throw.
  void (*run)(Fiber&) noexcept;
  /// Called instead of `run` when there is no memory for a stack. Runs on a worker's own stack: may
  /// wake others, never waits, runs no user code.
  void (*no_stack)(Fiber&) noexcept;
};

/// The two words that the C++ runtime keeps for a thread (Itanium C++ ABI, __cxa_eh_globals): the
/// exceptions being handled and the count of those in flight. They belong to the stack, so they are
/// swapped with it.
struct ExceptionState {
  void* caught = nullptr;
  std::uint64_t uncaught = 0;  // an unsigned int and its padding
};

/// Who frees a descriptor. It is free when its fiber has left its stack and nobody has a handle.
///
///   InUse --left its stack--> Retired: whoever drops the last handle frees it
///     \--had no handles when it ended--> Abandoned --left its stack--> free
///
/// Only the fiber itself, and then the worker that retires it, write it. Who drops the last handle
/// and still finds InUse puts the descriptor aside, where it is looked at again (FiberCache).
/// [life]
///
/// For whoever lists the tasks there are, two more that count as InUse: Asleep, of a task that
/// waits for its cue before it has run and is no user's so far, and Ended, from before others can
/// learn of the end.
enum class Life : std::uint8_t { kInUse, kRetired, kAbandoned, kAsleep, kEnded };

/// What a wait is for, in words for people: see awaited_kind() in fiber/identity.h.
enum class WaitsFor : std::uint8_t {
  kUnsaid,
  kSleep,
  kTask,
  kTasks,
  kFuture,
  kDescriptor,
  kMutex,
  kSharedMutex,
  kCondition,
  kEvent,
  kSignal,
  kSemaphore,
  kChannel,
  kSelect,
};

struct alignas(64) Fiber {
  static constexpr std::size_t kLocalSize = 128;

  // -- The switch. Written by the worker on which the fiber runs, or that takes it over; handed
  // from one worker to the next by the queue that carries the fiber.
  Context context = nullptr;  // where it stopped; null before it first did
  ExceptionState exceptions;
  int saved_errno = 0;
  // Changed by the fiber itself: while not zero, nothing is thrown at it. For destructors.
  std::uint16_t masks = 0;
  std::uint16_t pins = 0;  // changed by the fiber itself; while not zero it stays on `home`
  Stack* stack = nullptr;  // null until first run
  WaitWord word;
  const FiberCode* code = nullptr;

  // -- Scheduling.
  Fiber* next =
      nullptr;  // the link of whichever chain holds the fiber: inbox, pinned queue, free list
  Worker* home = nullptr;  // where it is to stay; without pins, where it was spawned or last waited
  // The runtime it lives in, null while the descriptor is free. Written by spawn and retirement,
  // read by whoever walks the descriptors; confirmed by the epoch.
  Atomic<Scheduler*> scheduler{nullptr};
  Atomic<Life> life{Life::kInUse};
  std::uint8_t stack_class = 0;
  // By the fiber itself, before it waits; old while it runs. No step of any protocol, but a hint
  // for who starts fibers early, and sets it back before (sched/aging.h).
  std::atomic<WaitsFor> waits_for{WaitsFor::kUnsaid};

  // Changed by the fiber itself: how often it has been told to stop, by one exception each time,
  // however many had asked. Whoever asks for the difference may let it wrap.
  std::uint32_t cancellations = 0;

  // -- Identity, for people. Set before the fiber is queued; reports on other threads may read a
  // newer fiber's.
  Atomic<std::uint64_t> id{0};  // unique in the process
  Atomic<const char*> file{nullptr};
  Atomic<const char*> function{nullptr};
  Atomic<std::uint32_t> line{0};
  // Null unless given; owned by the maker, which frees it: see fiber/identity.h.
  Atomic<const char*> name{nullptr};

  [[no_unique_address]] SanitizerStack sanitizer;

#if defined(WEFT_DEBUG_LOCKS)
  // The very lock, task or other thing that it waits for, to be told and never touched; null while
  // it does not. Written by the fiber itself.
  std::atomic<const void*> awaited{nullptr};
#endif

  // -- The maker's own data.
  alignas(16) std::byte local[kLocalSize];

  /// Of a fiber that is to run next: whether it can be jumped to, or is yet to get a stack.
  bool started() const noexcept { return context != nullptr; }
};

/// A fiber that may end meanwhile: its descriptor is another's then, or nobody's.
struct NotedFiber {
  Fiber* fiber = nullptr;
  std::uint64_t id = 0;

  static NotedFiber of(Fiber& fiber) noexcept {
    return {&fiber, fiber.id.load(std::memory_order_relaxed)};
  }
  /// False as well where none was noted.
  bool lives() const noexcept {
    return fiber != nullptr && fiber->scheduler.load(std::memory_order_acquire) != nullptr &&
           fiber->id.load(std::memory_order_relaxed) == id;
  }
};

// Among thousands of fibers each runs from memory that the caches have forgotten, and no pattern
// tells the processor which will be next; the queue knows. Neither call needs a valid pointer.

inline void prefetch_lines(const void* from, unsigned count) noexcept {
  auto line = reinterpret_cast<std::uintptr_t>(from);
  for (; count > 0; --count, line += 64) {
    __builtin_prefetch(reinterpret_cast<const void*>(line), /*to be written*/ 1);
  }
}
/// Has the caches fetch what a queue and a switch want of the descriptor.
inline void prefetch_descriptor(const Fiber* fiber) noexcept { prefetch_lines(fiber, 2); }
/// Likewise, where a fiber stopped: the registers that were saved, and what lies above. (Fetching
/// the frames as well, which begin three lines further up, made a yield among many slower.)
inline void prefetch_stack(Context stopped) noexcept { prefetch_lines(stopped, 3); }

}  // namespace weft::detail
