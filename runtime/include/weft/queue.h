#pragma once

#include <weft/condition_variable.h>
#include <weft/mutex.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace weft {

/// Thrown by a queue that has been shut down: by put(), and by get() when nothing is left.
class QueueShutDown : public std::runtime_error {
 public:
  QueueShutDown() : std::runtime_error("weft::QueueShutDown: the queue has been shut down") {}
};

namespace detail {

// What a queue keeps its items in. push() and pop() change nothing if they throw, but that what
// moving T throws may have changed the item that was moved. pop() makes a `Taken` of the next item.

template <class T>
class FirstInFirstOut {
 public:
  std::size_t size() const noexcept { return items_.size(); }
  void push(T&& item) { items_.push_back(std::move(item)); }
  template <class Taken>
  Taken pop() {
    Taken taken(std::move(items_.front()));
    items_.pop_front();
    return taken;
  }
  void clear() noexcept { items_.clear(); }

 private:
  std::deque<T> items_;
};

template <class T>
class LastInFirstOut {
 public:
  std::size_t size() const noexcept { return items_.size(); }
  void push(T&& item) { items_.push_back(std::move(item)); }
  template <class Taken>
  Taken pop() {
    Taken taken(std::move(items_.back()));
    items_.pop_back();
    return taken;
  }
  void clear() noexcept { items_.clear(); }

 private:
  std::vector<T> items_;
};

// A binary heap. Unlike those of the standard library it compares before it moves: a comparison
// that throws leaves it as it was.
template <class T, class Before>
class FirstByOrder {
 public:
  explicit FirstByOrder(Before before = Before()) : before_(std::move(before)) {}
  std::size_t size() const noexcept { return items_.size(); }
  void push(T&& item) {
    std::size_t place = items_.size();
    while (place > 0 && before_(item, items_[above(place)])) place = above(place);
    items_.push_back(std::move(item));
    for (std::size_t at = items_.size() - 1; at != place; at = above(at)) {
      std::swap(items_[at], items_[above(at)]);
    }
  }
  template <class Taken>
  Taken pop() {
    // The way down which others move up by one, until the last may stand.
    std::array<std::size_t, 64> way;
    std::size_t steps = 0;
    const std::size_t last = items_.size() - 1;
    for (std::size_t at = 0; 2 * at + 1 < last; at = way[steps++]) {
      std::size_t next = 2 * at + 1;
      if (next + 1 < last && before_(items_[next + 1], items_[next])) ++next;
      if (!before_(items_[next], items_[last])) break;
      way[steps] = next;
    }
    Taken taken(std::move(items_.front()));
    std::size_t at = 0;
    for (std::size_t i = 0; i < steps; at = way[i++]) items_[at] = std::move(items_[way[i]]);
    if (at != last) items_[at] = std::move(items_[last]);
    items_.pop_back();
    return taken;
  }
  void clear() noexcept { items_.clear(); }

 private:
  static std::size_t above(std::size_t at) noexcept { return (at - 1) / 2; }

  std::vector<T> items_;
  Before before_;
};

}  // namespace detail

/// Hands items from producers to consumers and knows when all have been dealt with; asyncio's
/// Queue. `Items` decides on the order: see Queue, LifoQueue, PriorityQueue. For fibers and
/// threads. Unlike a Channel it may be unbounded, counts work that is done, and can be shut down
/// twice. Items are moved, compared and destroyed while its lock is held. May be destroyed when all
/// calls have returned.
template <class T, class Items>
class BasicQueue {
 public:
  /// It holds up to `maxsize` items; 0: any number.
  explicit BasicQueue(std::size_t maxsize = 0, Items items = Items())
      : maxsize_(maxsize), items_(std::move(items)) {}
  BasicQueue(const BasicQueue&) = delete;
  BasicQueue& operator=(const BasicQueue&) = delete;

  /// Suspends the fiber (blocks the thread) while the queue is full. Throws QueueShutDown, and what
  /// moving T throws. Cancellable: throws Cancelled. Whatever it throws, the item is not in the
  /// queue; if that is not what moving threw, `item` is untouched.
  void put(T&& item) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return shut_down_ || !is_full(); });
    add(std::move(item));
  }
  void put(const T& item) { put(T(item)); }

  /// False if the queue is full. Throws QueueShutDown. Does not wait for room; all that is said not
  /// to wait may still suspend for a moment, while another has the queue's lock. None of that is
  /// cancelled.
  [[nodiscard]] bool try_put(T&& item) {
    const auto lock = detail::lock_masked(mutex_);
    if (!shut_down_ && is_full()) return false;
    add(std::move(item));
    return true;
  }
  [[nodiscard]] bool try_put(const T& item) { return try_put(T(item)); }

  /// Suspends the fiber (blocks the thread) until there is an item. Throws QueueShutDown when the
  /// queue has been shut down and nothing is left. Cancellable: throws Cancelled, and takes none.
  T get() {
    std::unique_lock lock(mutex_);
    item_.wait(lock, [this] { return shut_down_ || items_.size() > 0; });
    if (items_.size() == 0) throw QueueShutDown();
    return take<T>();
  }

  /// None if the queue is empty. Throws QueueShutDown like get(). Does not wait.
  [[nodiscard]] std::optional<T> try_get() {
    const auto lock = detail::lock_masked(mutex_);
    if (items_.size() > 0) return take<std::optional<T>>();
    if (shut_down_) throw QueueShutDown();
    return std::nullopt;
  }

  /// By a consumer, once for each item it got, when it has dealt with it. Throws std::logic_error
  /// for one too many. Does not wait.
  void task_done() {
    const auto lock = detail::lock_masked(mutex_);
    if (unfinished_ == 0) {
      throw std::logic_error("weft::Queue: task_done was called more often than there were items");
    }
    finish(1);
  }

  /// Suspends the fiber (blocks the thread) until all items that were put have been dealt with.
  /// Cancellable.
  void join() {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [this] { return unfinished_ == 0; });
  }

  /// From here on nothing can be put, and whoever waits to do so is told. What is in the queue can
  /// still be got; `immediate`: it is destroyed, and counts as dealt with. May be called again.
  /// Does not wait.
  void shutdown(bool immediate = false) {
    const auto lock = detail::lock_masked(mutex_);
    shut_down_ = true;
    if (immediate && items_.size() > 0) {
      finish(items_.size());
      items_.clear();
    }
    item_.notify_all();
    room_.notify_all();
  }

  /// How many it holds; others may be about to change that. Does not wait for anything.
  std::size_t size() const {
    const auto lock = detail::lock_masked(mutex_);
    return items_.size();
  }
  bool empty() const { return size() == 0; }
  bool full() const { return maxsize_ > 0 && size() >= maxsize_; }
  std::size_t maxsize() const noexcept { return maxsize_; }

 private:
  // All with the lock.

  bool is_full() const { return maxsize_ > 0 && items_.size() >= maxsize_; }
  void add(T&& item) {
    if (shut_down_) throw QueueShutDown();
    try {
      items_.push(std::move(item));
    } catch (...) {
      room_.notify_one();  // the room that this one was told of is another's
      throw;
    }
    ++unfinished_;
    item_.notify_one();
  }
  template <class Taken>
  Taken take() {
    try {
      auto taken = items_.template pop<Taken>();
      room_.notify_one();
      return taken;
    } catch (...) {
      item_.notify_one();  // it is still there
      throw;
    }
  }
  void finish(std::size_t count) {
    unfinished_ -= std::min(count, unfinished_);
    if (unfinished_ == 0) finished_.notify_all();
  }

  const std::size_t maxsize_;
  mutable Mutex mutex_;
  ConditionVariable room_, item_, finished_;
  // Under mutex_.
  Items items_;
  std::size_t unfinished_ = 0;  // have been put, and not been dealt with
  bool shut_down_ = false;
};

/// First in, first out.
template <class T>
using Queue = BasicQueue<T, detail::FirstInFirstOut<T>>;

/// Last in, first out.
template <class T>
using LifoQueue = BasicQueue<T, detail::LastInFirstOut<T>>;

/// The least first, by `Before`; those that are equal in any order.
template <class T, class Before = std::less<T>>
using PriorityQueue = BasicQueue<T, detail::FirstByOrder<T, Before>>;

}  // namespace weft
