// Goal: every job runs once, in order, on a thread that takes no signals; threads come when needed,
// go when idle, and are all joined; no job is lost when none can be started. Method: jobs that wait
// at gates the test opens, so that who is busy is known and not slept for.

#include "offload/blocking_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;

class Call final : public BlockingPool::Job {
 public:
  explicit Call(std::function<void()> call) : call_(std::move(call)) {}
  void run() noexcept override { call_(); }

 private:
  std::function<void()> call_;
};

void submit(BlockingPool& pool, std::function<void()> call) {
  pool.submit(std::make_unique<Call>(std::move(call)));
}

// Counts up; others wait for a number.
class Counter {
 public:
  void add() {
    std::lock_guard guard(mutex_);
    ++value_;
    changed_.notify_all();
  }
  void wait_for(int value) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return value_ >= value; });
  }
  int value() {
    std::lock_guard guard(mutex_);
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int value_ = 0;
};

// A job that says when it runs, and then waits to be let go.
struct Gate {
  Counter entered;
  Counter opened;

  void occupy(BlockingPool& pool) {
    submit(pool, [this] {
      entered.add();
      opened.wait_for(1);
    });
  }
};

// Polls, for what a thread does after the last thing a job can report.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(BlockingPool, StartsNoThreadBeforeAJob) {
  BlockingPool pool(4);
  const auto [threads, idle, queued] = pool.stats();
  EXPECT_EQ(threads, 0u);
  EXPECT_EQ(idle, 0u);
  EXPECT_EQ(queued, 0u);
}

TEST(BlockingPool, RunsJobsInOrderOfSubmission) {
  std::vector<int> order;
  {
    BlockingPool pool(1);
    for (int i = 0; i < 100; ++i) submit(pool, [&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(BlockingPool, GrowsToItsMaximumAndQueuesTheRest) {
  Gate gate;
  BlockingPool pool(3);
  for (int i = 0; i < 5; ++i) gate.occupy(pool);
  gate.entered.wait_for(3);
  const BlockingPool::Stats stats = pool.stats();
  EXPECT_EQ(stats.threads, 3u);
  EXPECT_EQ(stats.idle, 0u);
  EXPECT_EQ(stats.queued, 2u);
  EXPECT_EQ(gate.entered.value(), 3);
  gate.opened.add();
  gate.entered.wait_for(5);
}

// The trap: a thread that has been notified, but does not run yet, still looks idle to the second
// submit. Each job waits for all the others, so one thread too few hangs the test.
TEST(BlockingPool, BurstGetsAThreadForEachJob) {
  constexpr int kJobs = 8;
  BlockingPool pool(kJobs);
  for (int round = 1; round <= 50; ++round) {
    Counter arrived;
    Counter left;
    for (int i = 0; i < kJobs; ++i) {
      submit(pool, [&] {
        arrived.add();
        arrived.wait_for(kJobs);
        left.add();
      });
    }
    left.wait_for(kJobs);
  }
  EXPECT_EQ(pool.stats().threads, static_cast<unsigned>(kJobs));
}

TEST(BlockingPool, ReusesAnIdleThread) {
  BlockingPool pool(4);
  for (int i = 1; i <= 100; ++i) {
    Counter done;
    submit(pool, [&] { done.add(); });
    done.wait_for(1);
    ASSERT_TRUE(eventually([&] { return pool.stats().idle == 1; }));
  }
  EXPECT_EQ(pool.stats().threads, 1u);
}

TEST(BlockingPool, IdleThreadsEnd) {
  BlockingPool pool(4, 1ms);
  for (int round = 0; round < 3; ++round) {
    Gate gate;
    for (int i = 0; i < 4; ++i) gate.occupy(pool);
    gate.entered.wait_for(4);
    EXPECT_EQ(pool.stats().threads, 4u);
    gate.opened.add();
    EXPECT_TRUE(eventually([&] { return pool.stats().threads == 0; }));
  }
}

// An idle time that ends as jobs arrive: a thread that has made up its mind to leave must not be
// counted on.
TEST(BlockingPool, NoJobIsLostToALeavingThread) {
  BlockingPool pool(2, 0ns);
  for (int i = 0; i < 2000; ++i) {
    Counter done;
    submit(pool, [&] { done.add(); });
    done.wait_for(1);
  }
}

TEST(BlockingPool, LongestIdleTimeDoesNotOverflow) {
  Counter done;
  BlockingPool pool(1, std::chrono::nanoseconds::max());
  submit(pool, [&] { done.add(); });
  done.wait_for(1);
  ASSERT_TRUE(eventually([&] { return pool.stats().idle == 1; }));
  submit(pool, [&] { done.add(); });
  done.wait_for(2);
}

TEST(BlockingPool, DestructorRunsWhatIsQueuedAndWhatThatSubmits) {
  std::atomic<int> runs{0};
  {
    Gate gate;
    BlockingPool pool(2);
    gate.occupy(pool);
    gate.occupy(pool);
    for (int i = 0; i < 50; ++i) {
      submit(pool, [&] {
        ++runs;
        submit(pool, [&] { ++runs; });
      });
    }
    gate.entered.wait_for(2);
    gate.opened.add();
  }
  EXPECT_EQ(runs.load(), 100);
}

// Asking for the statistics would hang if the job died under the pool's mutex.
TEST(BlockingPool, JobIsDestroyedOnItsThreadWhileThatIsBusy) {
  struct Tattler final : BlockingPool::Job {
    Tattler(BlockingPool& owner, std::thread::id& place, unsigned& others)
        : pool(owner), where(place), idle(others) {}
    ~Tattler() override {
      where = std::this_thread::get_id();
      idle = pool.stats().idle;
    }
    void run() noexcept override {}
    BlockingPool& pool;
    std::thread::id& where;
    unsigned& idle;
  };
  std::thread::id where;
  unsigned idle = 1;
  {
    BlockingPool pool(1);
    pool.submit(std::make_unique<Tattler>(pool, where, idle));
  }
  EXPECT_NE(where, std::thread::id());
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_EQ(idle, 0u);
}

TEST(BlockingPool, SubmitsFromManyThreadsAllRun) {
  constexpr int kSubmitters = 3;
  constexpr int kJobs = 2000;
  std::atomic<int> runs{0};
  {
    BlockingPool pool(4, 100us);
    std::vector<std::thread> submitters;
    for (int i = 0; i < kSubmitters; ++i) {
      submitters.emplace_back([&] {
        for (int j = 0; j < kJobs; ++j) submit(pool, [&] { ++runs; });
      });
    }
    for (std::thread& submitter : submitters) submitter.join();
  }
  EXPECT_EQ(runs.load(), kSubmitters * kJobs);
}

TEST(BlockingPool, ThreadsAreNamedByTheLowestFreeNumber) {
  std::mutex mutex;
  std::multiset<std::string> names;
  const auto note_name = [&] {
    char name[16] = "";
    ASSERT_EQ(::pthread_getname_np(::pthread_self(), name, sizeof(name)), 0);
    std::lock_guard guard(mutex);
    names.insert(name);
  };
  BlockingPool pool(2, 1ms);
  for (int round = 0; round < 2; ++round) {
    Counter arrived;
    for (int i = 0; i < 2; ++i) {
      submit(pool, [&] {
        note_name();
        arrived.add();
        arrived.wait_for(2);
      });
    }
    arrived.wait_for(2);
    ASSERT_TRUE(eventually([&] { return pool.stats().threads == 0; }));
  }
  EXPECT_EQ(names, (std::multiset<std::string>{"weft-block-0", "weft-block-0", "weft-block-1",
                                               "weft-block-1"}));
}

TEST(BlockingPool, ThreadsTakeNoSignalsButTheirOwnFaults) {
  sigset_t before;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  sigset_t inside;
  {
    BlockingPool pool(1);
    submit(pool, [&] { ::pthread_sigmask(SIG_SETMASK, nullptr, &inside); });
  }
  for (const int blocked : {SIGINT, SIGTERM, SIGCHLD, SIGPIPE, SIGUSR1, SIGALRM, SIGRTMAX}) {
    EXPECT_EQ(::sigismember(&inside, blocked), 1) << blocked;
  }
  for (const int open : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    EXPECT_EQ(::sigismember(&inside, open), 0) << open;
  }
  sigset_t after;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &after), 0);
  for (int signal = 1; signal < NSIG; ++signal) {
    EXPECT_EQ(::sigismember(&before, signal), ::sigismember(&after, signal)) << signal;
  }
}

// While it lives, no thread can be started: none gets a stack of that size.
class NoThreads {
 public:
  NoThreads() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t{1} << 60);
    works_ = ::pthread_setattr_default_np(&huge) == 0;
    ::pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;
  bool works() const { return works_; }

 private:
  pthread_attr_t before_;
  bool works_ = false;
};

TEST(BlockingPool, FirstThreadThatCannotStartLeavesTheJobToTheCaller) {
  Counter done;
  BlockingPool pool(2);
  std::unique_ptr<BlockingPool::Job> job = std::make_unique<Call>([&] { done.add(); });
  {
    NoThreads no_threads;
    ASSERT_TRUE(no_threads.works());
    EXPECT_THROW(pool.submit(std::move(job)), std::system_error);
  }
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(pool.stats().threads, 0u);
  EXPECT_EQ(pool.stats().queued, 0u);
  pool.submit(std::move(job));
  done.wait_for(1);
}

TEST(BlockingPool, FurtherThreadThatCannotStartLeavesTheJobQueued) {
  Gate gate;
  Counter done;
  BlockingPool pool(2);
  gate.occupy(pool);
  gate.entered.wait_for(1);
  {
    NoThreads no_threads;
    ASSERT_TRUE(no_threads.works());
    submit(pool, [&] { done.add(); });
  }
  EXPECT_EQ(pool.stats().threads, 1u);
  EXPECT_EQ(pool.stats().queued, 1u);
  gate.opened.add();
  done.wait_for(1);
}

}  // namespace
}  // namespace weft::detail
