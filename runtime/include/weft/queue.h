#pragma once

#include <weft/condition_variable.h>
#include <weft/mutex.h>

#include <algorithm>
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

template <class T>
class FirstInFirstOut {
 public:
  std::size_t size() const noexcept { return items_.size(); }
  void push(T&& item) { items_.push_back(std::move(item)); }
  T pop() {
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::deque<T> items_;
};

template <class T>
class LastInFirstOut {
 public:
  std::size_t size() const noexcept { return items_.size(); }
  void push(T&& item) { items_.push_back(std::move(item)); }
  T pop() {
    T item = std::move(items_.back());
    items_.pop_back();
    return item;
  }

 private:
  std::vector<T> items_;
};

template <class T, class Before>
class FirstByOrder {
 public:
  explicit FirstByOrder(Before before = Before()) : before_(std::move(before)) {}
  std::size_t size() const noexcept { return items_.size(); }
  void push(T&& item) {
    items_.push_back(std::move(item));
    std::push_heap(items_.begin(), items_.end(), after());
  }
  T pop() {
    std::pop_heap(items_.begin(), items_.end(), after());
    T item = std::move(items_.back());
    items_.pop_back();
    return item;
  }

 private:
  // The standard library's heaps have the last on top.
  auto after() {
    return [this](const T& left, const T& right) { return before_(right, left); };
  }
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
  /// to wait may still suspend for a moment, while another has the queue's lock, and be cancelled
  /// in it.
  [[nodiscard]] bool try_put(T&& item) {
    const std::lock_guard lock(mutex_);
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
    return take();
  }

  /// None if the queue is empty. Throws QueueShutDown like get(). Does not wait.
  [[nodiscard]] std::optional<T> try_get() {
    const std::lock_guard lock(mutex_);
    if (items_.size() > 0) return take();
    if (shut_down_) throw QueueShutDown();
    return std::nullopt;
  }

  /// By a consumer, once for each item it got, when it has dealt with it. Throws std::logic_error
  /// for one too many.
  void task_done() {
    const std::lock_guard lock(mutex_);
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
  void shutdown(bool immediate = false) {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
    if (immediate) {
      for (; items_.size() > 0; finish(1)) items_.pop();
    }
    item_.notify_all();
    room_.notify_all();
  }

  /// How many it holds; others may be about to change that. Does not wait for anything.
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
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
    items_.push(std::move(item));
    ++unfinished_;
    item_.notify_one();
  }
  T take() {
    T item = items_.pop();
    room_.notify_one();
    return item;
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
