#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/fiber/all.hpp>

#include "boost_fibers.h"
#include "workers.h"

namespace bench {

// A scheduler for trees of tasks, made as the manual of Boost.Fiber shows how to. All that the
// library has are first in, first out: they walk a tree in breadth, with a stack for every node
// that has begun, which is gigabytes for a million nodes. This one runs its newest fiber first and
// steals the oldest of another thread.
class NewestFirst final : public boost::fibers::algo::algorithm {
 public:
  using Context = boost::fibers::context;

  // The fibers of one thread that are ready, the oldest at the front.
  struct Ready {
    std::mutex mutex;
    std::deque<Context*> fibers;
  };

  using All = std::vector<Ready>;

  NewestFirst(std::shared_ptr<All> all, std::size_t own) : owner_(std::move(all)), own_(own) {}

  void awakened(Context* context) noexcept override {
    if (context->is_context(boost::fibers::type::pinned_context)) {
      pinned_.push_back(context);
      return;
    }
    context->detach();
    const std::lock_guard lock(all_[own_].mutex);
    all_[own_].fibers.push_back(context);
  }

  Context* pick_next() noexcept override {
    Context* next = nullptr;
    if (++picks_ % kPinnedEvery != 0) next = take_newest();
    if (next == nullptr) next = take_pinned();
    if (next == nullptr) next = take_newest();
    for (std::size_t i = 1; next == nullptr && i < all_.size(); ++i) next = steal_oldest(own_ + i);
    return next;
  }

  bool has_ready_fibers() const noexcept override {
    const std::lock_guard lock(all_[own_].mutex);
    return !pinned_.empty() || !all_[own_].fibers.empty();
  }

  // Looks for work without pause, as work_stealing does.
  void suspend_until(const std::chrono::steady_clock::time_point&) noexcept override {}
  void notify() noexcept override {}

 private:
  // One of the pinned fibers frees the stacks of those that have ended and takes in those that
  // another thread has woken.
  static constexpr unsigned kPinnedEvery = 32;

  Context* take_pinned() {
    if (pinned_.empty()) return nullptr;
    Context* const context = pinned_.front();
    pinned_.pop_front();
    return context;
  }

  Context* take_newest() {
    Ready& ready = all_[own_];
    const std::lock_guard lock(ready.mutex);
    if (ready.fibers.empty()) return nullptr;
    Context* const context = ready.fibers.back();
    ready.fibers.pop_back();
    Context::active()->attach(context);
    return context;
  }

  Context* steal_oldest(std::size_t from) {
    Ready& ready = all_[from % all_.size()];
    const std::lock_guard lock(ready.mutex);
    if (ready.fibers.empty()) return nullptr;
    Context* const context = ready.fibers.front();
    ready.fibers.pop_front();
    Context::active()->attach(context);
    return context;
  }

  const std::shared_ptr<All> owner_;  // a scheduler lives until its thread has ended
  All& all_ = *owner_;
  const std::size_t own_;
  std::deque<Context*> pinned_;
  unsigned picks_ = 0;
};

template <typename Body>
void run_fibers_newest_first(Body body) {
  const auto all = std::make_shared<NewestFirst::All>(workers());
  const auto install = [&all](unsigned number) {
    boost::fibers::use_scheduling_algorithm<NewestFirst>(all, number);
  };
  run_fibers_on(install, std::move(body));
}

}  // namespace bench
