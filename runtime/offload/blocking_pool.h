#pragma once

// Threads for what would block a worker: to_thread, name resolution, files. They are started on
// demand and leave when they have had nothing to do for a while. A mutex guards it all: a job that
// is worth a thread dwarfs it.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace weft::detail {

class BlockingPool {
 public:
  struct Job {
    Job() = default;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;
    virtual void run() noexcept = 0;
  };

  struct Stats {
    unsigned threads;    ///< Alive, busy or not.
    unsigned idle;       ///< Of these, without a job in hand.
    std::size_t queued;  ///< Jobs nobody has begun.
  };

  /// `max_threads` is at least 1. A thread ends after `idle` without work.
  explicit BlockingPool(unsigned max_threads,
                        std::chrono::nanoseconds idle = std::chrono::seconds(10));

  ~BlockingPool() { finish(); }
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Jobs begin in the order they were submitted; run() is called, and the job destroyed, on a
  /// thread of the pool that takes no signals. From any thread, jobs included. Throws
  /// std::system_error if there is no thread and none can be started, std::bad_alloc if there is no
  /// memory, std::logic_error when all is finished; `job` is then still the caller's.
  void submit(std::unique_ptr<Job>&& job);

  /// Runs what is queued, and what that submits, and joins every thread. Not from a job. False: it
  /// has taken longer than `limit`, and goes on.
  bool finish_within(std::chrono::nanoseconds limit) noexcept;
  void finish() noexcept {
    while (!finish_within(std::chrono::hours(1))) continue;
  }

  Stats stats() const;

 private:
  void start_thread();
  void work(unsigned number) noexcept;
  std::unique_ptr<Job> next_job(std::unique_lock<std::mutex>& lock);

  const unsigned max_threads_;
  const std::chrono::nanoseconds idle_time_;

  mutable std::mutex mutex_;  // Guards all below.
  std::condition_variable work_or_stop_;
  std::condition_variable all_gone_;
  std::deque<std::unique_ptr<Job>> queue_;
  unsigned threads_ = 0;
  // Threads without a job in hand, including those just started or just notified: each of them will
  // look at the queue before it sleeps. A submit needs a new thread only when more jobs are queued
  // than there are such threads.
  unsigned idle_ = 0;
  bool stopping_ = false;
  bool finished_ = false;
  // As many as there may be threads; the place of one is its number. It empties its handle when it
  // leaves.
  std::vector<std::thread> handles_;
  // The thread that left last, to be joined by the next that leaves, or by the destructor: so a
  // pool that comes and goes holds on to one ended thread, not to all.
  std::thread last_to_leave_;
};

}  // namespace weft::detail
