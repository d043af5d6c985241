#include "sync/lock_record.h"

#include "fiber/identity.h"

#if defined(WEFT_DEBUG_LOCKS)

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/report.h"
#include "sched/wait.h"

namespace weft::detail {

namespace {

using Fibers = std::vector<const Fiber*>;

struct Holder {
  const Fiber* fiber;
  std::uint64_t id;
  bool is_thread;  // whose stand-in says nothing of its life
  /// It may have ended without giving the lock back, and its descriptor serve another by now, or
  /// nobody yet.
  bool lives() const {
    return fiber->id.load(std::memory_order_relaxed) == id &&
           (is_thread || fiber->life.load(std::memory_order_relaxed) == Life::kInUse);
  }
};
using Holders = std::vector<Holder>;

/// All members with the mutex.
struct Record {
  std::mutex mutex;
  std::unordered_map<const void*, Holders> holders;  // of a lock, the readers of a shared one

  const Holders& holders_of(const void* lock) const;
  /// On whom it depends that the fiber goes on.
  Fibers awaited_by(const Fiber& fiber) const;
  /// Those on the way from `start` back to itself, `start` first; none if there is no such way.
  Fibers circle_of(const Fiber& start) const;
};

// Never destroyed: locks may be taken by destructors of static objects.
Record& record() {
  static Record& the_one = *new Record;
  return the_one;
}

bool is_lock(WaitsFor what) { return what == WaitsFor::kMutex || what == WaitsFor::kSharedMutex; }

struct KnownWait {
  WaitsFor what;
  const void* object;
};

// With the record's mutex, under which alone a fiber says what it waits for: meanwhile it can only
// take that back. So an object that is seen belongs to the kind that was seen before. [awaited]
KnownWait wait_of(const Fiber& fiber) {
  const WaitsFor what = fiber.waits_for.load(std::memory_order_acquire);
  return {what, fiber.awaited.load(std::memory_order_relaxed)};
}

const Holders& Record::holders_of(const void* lock) const {
  static const Holders kNobody;
  const auto found = holders.find(lock);
  return found != holders.end() ? found->second : kNobody;
}

Fibers Record::awaited_by(const Fiber& fiber) const {
  const auto [what, awaited] = wait_of(fiber);
  if (awaited == nullptr) return {};
  if (what == WaitsFor::kTask) return {static_cast<const Fiber*>(awaited)};
  if (!is_lock(what)) return {};
  Fibers fibers;
  for (const Holder& holder : holders_of(awaited)) {
    if (holder.lives()) fibers.push_back(holder.fiber);
  }
  return fibers;
}

// Without recursion, for a fiber's stack is small.
Fibers Record::circle_of(const Fiber& start) const {
  std::unordered_map<const Fiber*, const Fiber*> before;  // on the way there
  for (Fibers reached{&start}; !reached.empty();) {
    const Fiber* const from = reached.back();
    reached.pop_back();
    for (const Fiber* const next : awaited_by(*from)) {
      if (next == &start) {
        Fibers circle;
        for (const Fiber* at = from; at != &start; at = before.at(at)) circle.push_back(at);
        circle.push_back(&start);
        std::reverse(circle.begin(), circle.end());
        return circle;
      }
      if (before.emplace(next, from).second) reached.push_back(next);
    }
  }
  return {};
}

std::string address(const void* object) {
  char text[24];
  std::snprintf(text, sizeof(text), "%p", object);
  return text;
}

std::string tell_awaited(const Record& known, const Fiber& fiber) {
  const auto [what, awaited] = wait_of(fiber);
  if (awaited == nullptr) return awaited_kind(fiber);
  if (what == WaitsFor::kTask) {
    const auto& task = *static_cast<const Fiber*>(awaited);
    return "the end of " + name_of(task, task.id.load(std::memory_order_relaxed));
  }
  std::string text = awaited_kind(fiber) + (" at " + address(awaited));
  const char* before = ", held by ";
  for (const Holder& holder : is_lock(what) ? known.holders_of(awaited) : Holders()) {
    text += before + (holder.lives() ? describe(*holder.fiber)
                                     : name_of(*holder.fiber, holder.id) + ", which has ended");
    before = " and by ";
  }
  return text;
}

std::string tell_circle(const Record& known, const Fibers& circle) {
  std::string text = "deadlock: ";
  text += circle.size() == 1 ? "this waits for itself"
                             : "each of these waits for the next, "
                               "and the last for the first";
  for (const Fiber* const fiber : circle) {
    text += "\n  " + describe(*fiber) + ", waits for " + tell_awaited(known, *fiber);
  }
  return text;
}

}  // namespace

// Without memory there is no record, which tells less and changes nothing.

void note_taken(const void* lock) noexcept {
  try {
    const Fiber& self = current_waiter();
    Record& known = record();
    const std::lock_guard guard(known.mutex);
    const bool is_thread = self.scheduler.load(std::memory_order_relaxed) == nullptr;
    known.holders[lock].push_back({&self, self.id.load(std::memory_order_relaxed), is_thread});
  } catch (const std::bad_alloc&) {
  }
}

void note_given_back(const void* lock) noexcept {
  try {
    const Fiber& self = current_waiter();
    Record& known = record();
    const std::lock_guard guard(known.mutex);
    const auto found = known.holders.find(lock);
    if (found == known.holders.end()) return;
    // Another may give it back than took it.
    Holders& holders = found->second;
    const auto own = std::find_if(holders.begin(), holders.end(),
                                  [&](const Holder& one) { return one.fiber == &self; });
    holders.erase(own != holders.end() ? own : holders.begin());
    if (holders.empty()) known.holders.erase(found);
  } catch (const std::bad_alloc&) {
  }
}

AwaitScope::AwaitScope(Fiber& self, const void* object) noexcept : self_(self) {
  try {
    std::string deadlock;
    {
      Record& known = record();
      const std::lock_guard guard(known.mutex);
      self.awaited.store(object, std::memory_order_relaxed);
      const Fibers circle = known.circle_of(self);
      if (!circle.empty()) deadlock = tell_circle(known, circle);
    }
    if (!deadlock.empty()) report(deadlock);
  } catch (const std::bad_alloc&) {
  }
}

std::string awaited_by(const Fiber& fiber) {
  Record& known = record();
  const std::lock_guard guard(known.mutex);
  return tell_awaited(known, fiber);
}

}  // namespace weft::detail

#else

namespace weft::detail {

std::string awaited_by(const Fiber& fiber) { return awaited_kind(fiber); }

}  // namespace weft::detail

#endif
