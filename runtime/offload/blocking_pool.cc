#include "offload/blocking_pool.h"

#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "base/party.h"
#include "base/signal_mask.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

void name_this_thread(unsigned number) noexcept {
  char name[16];  // As many as the kernel keeps.
  std::snprintf(name, sizeof(name), "weft-block-%u", number % 10'000);
  const int error = ::pthread_setname_np(::pthread_self(), name);
  static_cast<void>(error);  // Refused where /proc is not writable; a name is only for people.
}

}  // namespace

BlockingPool::BlockingPool(unsigned max_threads, std::chrono::nanoseconds idle)
    : max_threads_(max_threads), idle_time_(idle), handles_(max_threads) {
  WEFT_ASSERT(max_threads > 0, "the options check that there may be a thread");
}

bool BlockingPool::finish_within(std::chrono::nanoseconds limit) noexcept {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  work_or_stop_.notify_all();
  if (!all_gone_.wait_for(lock, limit, [this] { return threads_ == 0; })) return false;
  finished_ = true;
  lock.unlock();
  // Each that leaves joins the one before it, so this waits for all.
  if (last_to_leave_.joinable()) last_to_leave_.join();
  return true;
}

void BlockingPool::submit(std::unique_ptr<Job>&& job) {
  std::lock_guard guard(mutex_);
  if (finished_) throw std::logic_error("weft: the runtime is ending, and its blocking pool has");
  if (queue_.size() >= idle_ && threads_ < max_threads_) {
    try {
      // Under the mutex: had another submit counted on this thread before it failed to start, its
      // job would wait for nobody.
      start_thread();
    } catch (const std::system_error& error) {
      // Else the job waits for one of those there are.
      if (threads_ == 0) {
        throw std::system_error(error.code(), "weft: cannot start a thread of the blocking pool");
      }
    }
  }
  queue_.push_back(std::move(job));
  work_or_stop_.notify_one();
}

BlockingPool::Stats BlockingPool::stats() const {
  std::lock_guard guard(mutex_);
  return {threads_, idle_, queue_.size()};
}

void BlockingPool::start_thread() {
  const auto free = std::find_if(handles_.begin(), handles_.end(),
                                 [](const std::thread& handle) { return !handle.joinable(); });
  WEFT_ASSERT(free != handles_.end(), "there are as many handles as there may be threads");
  const AllSignalsBlocked inherited;
  *free = std::thread(&BlockingPool::work, this, static_cast<unsigned>(free - handles_.begin()));
  ++threads_;
  ++idle_;
}

void BlockingPool::work(unsigned number) noexcept {
  name_this_thread(number);
  std::unique_lock lock(mutex_);
  while (std::unique_ptr<Job> job = next_job(lock)) {
    lock.unlock();
    job->run();
    job.reset();
    leave_party();
    lock.lock();
    ++idle_;
  }
  --idle_;
  --threads_;
  std::thread previous = std::exchange(last_to_leave_, std::move(handles_[number]));
  // Under the mutex: the destructor goes on once it is free, and then waits for this thread's end.
  if (threads_ == 0) all_gone_.notify_one();
  lock.unlock();
  if (previous.joinable()) previous.join();
}

// Null when the thread has been idle for long enough, or the pool stops.
std::unique_ptr<BlockingPool::Job> BlockingPool::next_job(std::unique_lock<std::mutex>& lock) {
  const auto bored = to_time_point(deadline_after(idle_time_));
  work_or_stop_.wait_until(lock, bored, [this] { return stopping_ || !queue_.empty(); });
  if (queue_.empty()) return nullptr;
  std::unique_ptr<Job> job = std::move(queue_.front());
  queue_.pop_front();
  --idle_;
  return job;
}

}  // namespace weft::detail
