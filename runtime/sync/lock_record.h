#pragma once

// Who holds which lock, and who waits for whom: in a debug build, to tell of deadlocks.
//
// A fiber waits for a lock, hence for those who hold it, or for the end of a task. Each note of a
// wait, before the fiber sleeps, looks for a way from what it waits for back to itself. All notes
// are made under one mutex: of the waits that close a circle one is noted last, and sees the
// others.
//
// What is known may be out of date in one way: a lock is noted as taken after it was, and as given
// back before it is. So a holder may be missing for a moment, but nobody is named who does not hold
// it. A circle may still come apart by itself, by a time-out or a cancellation: it is told, and
// nothing else is done about it.

#include <string>

#include <weft/detail/lock_record.h>
#include "fiber/fiber.h"

namespace weft::detail {

#if defined(WEFT_DEBUG_LOCKS)

/// From before it sleeps until it has been woken: `self` waits for `object`, a lock, a task's
/// fiber, or anything else that can only be named. Tells of a deadlock that this completes, on
/// standard error.
class AwaitScope {
 public:
  AwaitScope(Fiber& self, const void* object) noexcept;
  ~AwaitScope() { self_.awaited.store(nullptr, std::memory_order_relaxed); }
  AwaitScope(const AwaitScope&) = delete;
  AwaitScope& operator=(const AwaitScope&) = delete;

 private:
  Fiber& self_;
};

#else

struct AwaitScope {
  AwaitScope(Fiber& /*self*/, const void* /*object*/) noexcept {}
  ~AwaitScope() {}
};

#endif

/// What the fiber waits for, as exactly as is known: "a mutex at 0x7f.., held by NAME".
std::string awaited_by(const Fiber& fiber);

}  // namespace weft::detail
