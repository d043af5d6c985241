#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/fiber/all.hpp>

#include "workers.h"

namespace bench {

// Runs `body` as the first fiber, while as many threads as the environment says run fibers. Each
// calls `install` with its number, to get a scheduler. The first fiber is one of its own rather
// than main, which Boost.Fiber never moves to another thread.
template <typename Install, typename Body>
void run_fibers_on(Install install, Body body) {
  boost::fibers::mutex mutex;
  boost::fibers::condition_variable ended;
  bool has_ended = false;
  std::vector<std::thread> others;
  for (unsigned number = 1; number < workers(); ++number) {
    others.emplace_back([&, number] {
      install(number);
      std::unique_lock lock(mutex);
      ended.wait(lock, [&] { return has_ended; });
    });
  }
  install(0U);
  boost::fibers::fiber(std::move(body)).join();
  {
    const std::lock_guard lock(mutex);
    has_ended = true;
  }
  ended.notify_all();
  for (auto& other : others) other.join();
}

// A thread that has nothing to run looks for work at once and without pause. If it sleeps, then it
// is not told of work that it could steal, so that is for those who wait for time or for each
// other.
enum class Idle : bool { kLooks, kSleeps };

// One thread keeps the scheduler that Boost.Fiber has by default, round_robin.
template <typename Body>
void run_fibers(Body body, Idle idle = Idle::kLooks) {
  const auto install = [idle](unsigned) {
    if (workers() == 1) return;
    boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(
        workers(), idle == Idle::kSleeps);
  };
  run_fibers_on(install, std::move(body));
}

// The stacks of tasks that do next to nothing. A page or two of each are touched, whatever its
// size.
constexpr std::size_t kSmallStack = 16'384;

// A pool of stacks for several threads: the pool of Boost.Fiber is for one, but a fiber may end on
// another thread than it began on.
class SharedStackPool {
 public:
  explicit SharedStackPool(std::size_t stack_size)
      : shared_(std::make_shared<Shared>(stack_size)) {}

  boost::context::stack_context allocate() {
    const std::lock_guard lock(shared_->mutex);
    return shared_->pool.allocate();
  }
  void deallocate(boost::context::stack_context& stack) {
    const std::lock_guard lock(shared_->mutex);
    shared_->pool.deallocate(stack);
  }

 private:
  struct Shared {
    explicit Shared(std::size_t stack_size) : pool(stack_size) {}
    std::mutex mutex;
    boost::fibers::pooled_fixedsize_stack pool;
  };
  std::shared_ptr<Shared> shared_;  // each fiber keeps a copy, to give its stack back
};

// Calls `use` with a pool of stacks that is good for as many threads as there are.
template <typename Use>
void with_stack_pool(std::size_t stack_size, Use use) {
  if (workers() == 1) {
    use(boost::fibers::pooled_fixedsize_stack(stack_size));
  } else {
    use(SharedStackPool(stack_size));
  }
}

}  // namespace bench
