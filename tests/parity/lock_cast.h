#pragma once

// Who plays at a lock or a semaphore; in Python lock_cast.py.

#include <mutex>
#include <string>
#include <vector>

#include "parity/cast.h"

namespace parity::cast {

using Lock = weft::FairMutex;
using Held = std::unique_lock<Lock>;

inline auto hold(Lock& lock) { return Held(lock); }
inline auto hold(weft::Semaphore& semaphore) { return semaphore.hold(); }

/// Has the lock, or a permit, for so many ticks.
template <class L>
void holds(L& lock, const std::string& name, double count) {
  const auto held = hold(lock);
  trace(name, "has it");
  ticks(count);
  trace(name, "gives it back");
}

template <class L>
Task start_holder(L& lock, const std::string& name, double count) {
  return weft::spawn({.name = name}, [&lock, name, count] { holds(lock, name, count); });
}

/// Those who come for it one after the other, to give it back a turn after they got it.
template <class L>
std::vector<Task> line(L& lock, const std::vector<std::string>& names) {
  std::vector<Task> tasks;
  for (const std::string& name : names) tasks.push_back(start_holder(lock, name, 0));
  turns(1);
  return tasks;
}

/// And keeps it.
inline void takes(weft::Semaphore& semaphore, const std::string& name) {
  semaphore.acquire();
  trace(name, "has it");
}

inline Task start_taker(weft::Semaphore& semaphore, const std::string& name) {
  return weft::spawn({.name = name}, [&semaphore, name] { takes(semaphore, name); });
}

/// Those who come for it one after the other, to keep it.
inline std::vector<Task> takers(weft::Semaphore& semaphore, const std::vector<std::string>& names) {
  std::vector<Task> tasks;
  for (const std::string& name : names) tasks.push_back(start_taker(semaphore, name));
  turns(1);
  return tasks;
}

/// Takes it if that needs no wait, and says whether it has.
inline bool at_once(Lock& lock) { return lock.try_lock(); }
inline bool at_once(weft::Semaphore& semaphore) { return semaphore.try_acquire(); }

}  // namespace parity::cast
