#pragma once

// Who puts into queues and gets from them; in Python queue_cast.py.

#include <string>

#include "parity/cast.h"

namespace parity::cast {

/// Puts one, and says how that ended and what the queue holds then.
template <class Q, class T>
void puts(Q& queue, const T& item) {
  try {
    queue.put(item);
  } catch (const weft::Cancelled& error) {
    trace("put", item, "caught", error);
    throw;
  }
  trace("put", item, "size", queue.size());
}

template <class Q>
void gets(Q& queue, const std::string& name) {
  try {
    const auto item = queue.get();
    trace(name, "got", item, "size", queue.size());
  } catch (const weft::Cancelled& error) {
    trace(name, "caught", error);
    throw;
  }
}

template <class Q>
void joins(Q& queue, const std::string& name) {
  try {
    queue.join();
  } catch (const weft::Cancelled& error) {
    trace(name, "caught", error);
    throw;
  }
  trace(name, "has joined");
}

template <class Q, class T>
void try_put(Q& queue, const T& item) {
  trace("try put", item, queue.try_put(item));
}

template <class Q>
void try_get(Q& queue) {
  trace("try get", queue.try_get());
}

template <class Q, class T>
Task start_put(Q& queue, const T& item) {
  return weft::spawn({.name = "put " + text(item)}, [&queue, item] { puts(queue, item); });
}

template <class Q>
Task start_get(Q& queue, const std::string& name) {
  return weft::spawn({.name = name}, [&queue, name] { gets(queue, name); });
}

template <class Q>
Task start_join(Q& queue, const std::string& name) {
  return weft::spawn({.name = name}, [&queue, name] { joins(queue, name); });
}

template <class Q>
void look(const Q& queue) {
  trace("size", queue.size(), "empty", queue.empty(), "full", queue.full());
}

}  // namespace parity::cast
