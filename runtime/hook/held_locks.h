#pragma once

// Which locks of pthreads a fiber holds, in debug mode: to tell of those that it holds while a
// hooked call suspends it. Others of its worker that lock such a lock would block the worker, and
// with it the fiber that could give the lock back; and the thread owns it, so a recursive lock lets
// them in.
//
// Kept by the lock's address, in a table of fixed size: it is written by whoever locks anything,
// allocators included. What does not fit is not told of. pthread_cond_wait() gives a lock back and
// takes it again within libc, and blocks the worker meanwhile: so nobody is suspended with the
// lock, and the note stays where it is. Another may hold the lock then, in a note of its own.

#include "base/debug_mode.h"

namespace weft::detail {
struct Fiber;
}

namespace weft::hook {

inline bool tracks_locks() noexcept {
  return detail::g_debugged_runtimes.load(std::memory_order_relaxed) != 0;
}

/// `site` is where the caller of libc's function goes on.
void note_locked(const void* lock, const void* site) noexcept;
void note_unlocked(const void* lock) noexcept;
/// Before the caller blocks until it gets `lock`: tells of it if that is a deadlock.
void note_contended(const void* lock, const void* site) noexcept;

/// While one exists a hooked call may suspend the fiber that made it: tells of the locks it holds.
class SuspensionScope {
 public:
  SuspensionScope() noexcept {
    if (tracks_locks()) [[unlikely]]
      begin();
  }
  ~SuspensionScope() {
    if (self_ != nullptr) [[unlikely]]
      end();
  }
  SuspensionScope(const SuspensionScope&) = delete;
  SuspensionScope& operator=(const SuspensionScope&) = delete;

 private:
  void begin() noexcept;
  void end() noexcept;
  const detail::Fiber* self_ = nullptr;  // set if it holds any
};

}  // namespace weft::hook
