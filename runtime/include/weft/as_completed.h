#pragma once

#include <weft/detail/completions.h>
#include <weft/detail/task_range.h>
#include <weft/sleep.h>
#include <weft/task.h>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

namespace weft {

/// Tasks in the order in which they end: see as_completed(). A range for one pass, in the fiber
/// that made it.
template <class T>
class AsCompleted {
 public:
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Task<T>;

    Task<T>& operator*() const { return owner_->tasks_[owner_->completions_.ended_at(place_)]; }
    /// Suspends until the next has ended. See as_completed().
    Iterator& operator++() {
      ++place_;
      owner_->wait_for(place_);
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept {
      return place_ == owner_->tasks_.size();
    }

   private:
    friend class AsCompleted;
    explicit Iterator(AsCompleted& owner) noexcept : owner_(&owner) {}
    AsCompleted* owner_;
    std::size_t place_ = 0;
  };

  /// Suspends until the first has ended.
  Iterator begin() {
    wait_for(0);
    return Iterator(*this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// For `as_completed` itself.
  AsCompleted(std::vector<Task<T>> tasks, std::int64_t deadline)
      : tasks_(std::move(tasks)), completions_(refs_of(tasks_)), deadline_(deadline) {}

 private:
  static std::vector<detail::TaskRef> refs_of(const std::vector<Task<T>>& tasks) {
    std::vector<detail::TaskRef> refs;
    for (const Task<T>& task : tasks) refs.push_back(task.ref());
    return refs;
  }
  void wait_for(std::size_t place) {
    if (place == tasks_.size()) return;
    const auto all = detail::Completions::Until::kCount;
    if (!completions_.wait(place + 1, all, deadline_)) throw TimeoutError();
  }

  std::vector<Task<T>> tasks_;
  detail::Completions completions_;
  std::int64_t deadline_;
};

/// For a loop over tasks in the order in which they end (asyncio.as_completed):
/// `for (auto& task : weft::as_completed(tasks)) use(task.get());`. Each task comes once. What it
/// throws stays with it until get(). Leaving the loop leaves the tasks alone. Each step suspends
/// until another task has ended; cancellable: throws Cancelled, and the tasks go on. Throws
/// std::invalid_argument for a Task that names none. A plain thread may call it, too.
template <detail::TaskRange Range>
AsCompleted<detail::TaskIn<Range>> as_completed(const Range& tasks) {
  return {detail::distinct_tasks(tasks), std::numeric_limits<std::int64_t>::max()};
}

/// The same, for `limit` at most, counted from this call: the step that would take longer throws
/// TimeoutError. A step that need not wait gives what has ended by then, however late it is.
template <detail::TaskRange Range, class Rep, class Period>
AsCompleted<detail::TaskIn<Range>> as_completed(const Range& tasks,
                                                std::chrono::duration<Rep, Period> limit) {
  return {detail::distinct_tasks(tasks), detail::deadline_in(detail::to_span(limit))};
}

template <class Range, class... A>
requires(!detail::TaskRange<Range>) std::vector<Task<void>> as_completed(const Range&,
                                                                         const A&...) {
  static_assert(detail::kRight<Range>,
                "weft::as_completed: it takes a range of weft::Task<T>, and then for how long to "
                "wait");
  return {};
}

}  // namespace weft
