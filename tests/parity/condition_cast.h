#pragma once

// Who plays at a condition; in Python condition_cast.py.

#include <string>

#include "parity/lock_cast.h"

namespace parity::cast {

/// asyncio's Condition has its lock with it.
struct Condition {
  void notify(int count) {
    for (int i = 0; i < count; ++i) changed.notify_one();
  }
  Lock lock;
  weft::ConditionVariable changed;
};

/// Waits once, and says how that ended and whether it has the lock then.
inline void waits(Condition& condition, const std::string& name) {
  Held held(condition.lock);
  try {
    condition.changed.wait(held);
  } catch (const weft::Cancelled& error) {
    trace(name, "caught", error, "locked", held.owns_lock());
    throw;
  }
  trace(name, "notified", "locked", held.owns_lock());
}

inline Task start(Condition& condition, const std::string& name) {
  return weft::spawn({.name = name}, [&condition, name] { waits(condition, name); });
}

inline void notify(Condition& condition, int count) {
  const Held held(condition.lock);
  trace("notify", count);
  condition.notify(count);
}

}  // namespace parity::cast
