#include "hook/held_locks.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

#include "base/report.h"
#include "base/spinlock.h"
#include "fiber/identity.h"
#include "hook/caller.h"
#include "sched/wait.h"
#include "sched/worker.h"

namespace weft::hook {

namespace {

using detail::Atomic;
using detail::Fiber;
using detail::Spinlock;
using detail::Worker;

struct Note {
  const void* lock = nullptr;
  const Fiber* fiber = nullptr;
  std::uint64_t id = 0;  // the fiber's: its descriptor may serve another by now
  const void* site = nullptr;
  const Worker* suspended_on = nullptr;  // null while the fiber runs

  bool is_of(const Fiber& other) const noexcept {
    return fiber == &other && id == other.id.load(std::memory_order_relaxed);
  }
  // It ended without giving the lock back.
  bool is_dead() const noexcept {
    return id != fiber->id.load(std::memory_order_relaxed) ||
           fiber->scheduler.load(std::memory_order_relaxed) == nullptr;
  }
};

// The notes of locks whose addresses fall together, the oldest first.
class Shard {
 public:
  bool is_empty() const noexcept { return count_.load(std::memory_order_relaxed) == 0; }
  void add(const Note& note) noexcept {
    const std::lock_guard guard(mutex_);
    remove_if([&](const Note& old) { return old.lock == note.lock && old.is_dead(); });
    if (count() == notes_.size()) return;
    notes_[count()] = note;
    set_count(count() + 1);
  }
  /// The newest of the fiber; or of anybody, for it may be given back by another than took it.
  void remove(const void* lock, const Fiber& self) noexcept {
    const std::lock_guard guard(mutex_);
    std::size_t found = count();
    for (std::size_t i = 0; i < count(); ++i) {
      if (notes_[i].lock != lock) continue;
      if (notes_[i].is_of(self) || found == count() || !notes_[found].is_of(self)) found = i;
    }
    if (found == count()) return;
    std::copy(notes_.begin() + found + 1, notes_.begin() + count(), notes_.begin() + found);
    set_count(count() - 1);
  }
  /// Copies of those that `is_wanted(Note&)` says, which may change them.
  template <class Wanted>
  std::size_t collect(std::array<Note, 8>& into, std::size_t have, Wanted is_wanted) noexcept {
    if (is_empty()) return have;
    const std::lock_guard guard(mutex_);
    for (std::size_t i = 0; i < count(); ++i) {
      if (is_wanted(notes_[i]) && have < into.size()) into[have++] = notes_[i];
    }
    return have;
  }

 private:
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  void set_count(std::size_t count) noexcept { count_.store(count, std::memory_order_relaxed); }
  template <class Condition>
  void remove_if(Condition condition) noexcept {
    const auto end = std::remove_if(notes_.begin(), notes_.begin() + count(), condition);
    set_count(static_cast<std::size_t>(end - notes_.begin()));
  }

  Spinlock mutex_;
  Atomic<std::size_t> count_{0};  // written under mutex_
  std::array<Note, 32> notes_;    // under mutex_
};

constinit std::array<Shard, 64> g_shards;

Shard& shard_of(const void* lock) noexcept {
  return g_shards[(reinterpret_cast<std::uintptr_t>(lock) >> 4) % g_shards.size()];
}

// The fiber that runs here: not the worker between two, nor who stands in for it in a signal
// handler.
const Fiber* self() noexcept { return in_fiber() ? detail::current_fiber() : nullptr; }

// -- What is told, in words.

std::string address(const void* object) {
  std::array<char, 24> text;
  std::snprintf(text.data(), text.size(), "%p", object);
  return text.data();
}

// "SYMBOL+0x12 in OBJECT", as far as the dynamic linker knows.
std::string place(const void* code) {
  Dl_info info{};
  if (::dladdr(code, &info) == 0 || info.dli_fname == nullptr) return address(code);
  const bool named = info.dli_sname != nullptr;
  const auto offset = static_cast<const char*>(code) -
                      static_cast<const char*>(named ? info.dli_saddr : info.dli_fbase);
  std::array<char, 24> distance;
  std::snprintf(distance.data(), distance.size(), "+0x%tx", offset);
  return named ? info.dli_sname + std::string(distance.data()) + " in " + info.dli_fname
               : info.dli_fname + std::string(distance.data());
}

// Which function of libc the program has called, by the names of the functions on the stack. The
// hooks alone are C here, and are compiled so that each has its frame.
[[gnu::noinline]] std::string hooked_call(const Fiber& fiber) {
  const auto top = reinterpret_cast<std::uintptr_t>(fiber.stack->top());
  auto* frame = static_cast<void**>(__builtin_frame_address(0));
  for (int i = 0; i < 24; ++i) {
    Dl_info info{};
    if (::dladdr(static_cast<char*>(frame[1]) - 1, &info) != 0 && info.dli_sname != nullptr &&
        info.dli_sname[0] != '_') {
      return info.dli_sname;
    }
    auto* const next = static_cast<void**>(frame[0]);
    if (next <= frame || reinterpret_cast<std::uintptr_t>(next) + 16 > top) break;
    frame = next;
  }
  return "a hooked call";
}

// Each once: who holds a lock in a loop would fill the screen.
bool is_new(const void* lock, const void* site) noexcept {
  static constinit Spinlock mutex;
  static constinit std::array<std::pair<const void*, const void*>, 256> told{};
  static constinit std::size_t count = 0;
  const std::lock_guard guard(mutex);
  const auto end = told.begin() + count;
  if (count == told.size() || std::find(told.begin(), end, std::pair(lock, site)) != end) {
    return false;
  }
  told[count++] = {lock, site};
  return true;
}

void tell_of_suspension(const Note& note) {
  if (!is_new(note.lock, note.site)) return;
  detail::report(describe(*note.fiber) + ", is suspended by " + hooked_call(*note.fiber) +
                 " while it holds the lock at " + address(note.lock) + ", taken at " +
                 place(note.site) +
                 ": a fiber of its worker that takes the lock, too, blocks the worker for ever, or "
                 "gets it although it is held, if it is recursive");
}

void tell_of_deadlock(const Note& holder, const void* site, const char* what) {
  detail::report(what + describe(*detail::current_fiber()) + ", wants the lock at " +
                 address(holder.lock) + " at " + place(site) + "; it is held by " +
                 describe(*holder.fiber) + ", which took it at " + place(holder.site) +
                 " and is suspended on the same worker");
}

// A holder that cannot go on while the caller blocks its worker.
bool find_holder(const void* lock, const Fiber& caller, Note& holder) noexcept {
  std::array<Note, 8> found;
  const Worker* const here = detail::current_worker();
  const std::size_t count = shard_of(lock).collect(found, 0, [&](const Note& note) {
    return note.lock == lock && !note.is_of(caller) && !note.is_dead() && note.suspended_on == here;
  });
  if (count > 0) holder = found[0];
  return count > 0;
}

// Reports allocate, and lock what the program's locks protect, too.
template <class Tell>
void tell(Tell&& report) noexcept {
  const int error = errno;
  try {
    report();
  } catch (const std::bad_alloc&) {
  }
  errno = error;
}

}  // namespace

void note_locked(const void* lock, const void* site) noexcept {
  const Fiber* const caller = self();
  if (caller == nullptr) return;
  Note other;
  if (find_holder(lock, *caller, other)) {
    tell([&] {
      tell_of_deadlock(other, site, "entered twice, for the lock is recursive or shared: ");
    });
  }
  shard_of(lock).add({lock, caller, caller->id.load(std::memory_order_relaxed), site});
}

void note_unlocked(const void* lock) noexcept {
  const Fiber* const caller = self();
  Shard& shard = shard_of(lock);
  if (caller != nullptr && !shard.is_empty()) shard.remove(lock, *caller);
}

void note_contended(const void* lock, const void* site) noexcept {
  const Fiber* const caller = self();
  Note holder;
  if (caller == nullptr || !find_holder(lock, *caller, holder)) return;
  tell([&] { tell_of_deadlock(holder, site, "deadlock: "); });
}

void SuspensionScope::begin() noexcept {
  const Fiber* const caller = self();
  if (caller == nullptr) return;
  std::array<Note, 8> held;
  std::size_t count = 0;
  for (Shard& shard : g_shards) {
    count = shard.collect(held, count, [&](Note& note) {
      if (!note.is_of(*caller)) return false;
      note.suspended_on = detail::current_worker();
      return true;
    });
  }
  if (count == 0) return;
  self_ = caller;
  tell([&] {
    for (std::size_t i = 0; i < count; ++i) tell_of_suspension(held[i]);
  });
}

void SuspensionScope::end() noexcept {
  std::array<Note, 8> none;
  for (Shard& shard : g_shards) {
    shard.collect(none, 0, [&](Note& note) {
      if (note.is_of(*self_)) note.suspended_on = nullptr;
      return false;
    });
  }
}

}  // namespace weft::hook
