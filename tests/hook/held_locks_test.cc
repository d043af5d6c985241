// Goal: in debug mode a lock of pthreads that is held over a suspension is told of, by fiber, call
// and place, as is the deadlock that it makes; and nothing else is. Method: standard error is read
// while one worker's fibers take locks.

#include "hook/held_locks.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <pthread.h>

#include <mutex>
#include <shared_mutex>
#include <thread>

#include "hook/support.h"
#include "support/stderr_watch.h"

namespace {

using namespace hook_test;
using testing::HasSubstr;
using testing::Not;

std::string told_of(const std::function<void()>& body, bool debug = true) {
  support::StderrWatch watch;
  weft::Options options = workers(1);
  options.debug = debug;
  weft::run(options, body);
  return watch.finish();
}

std::string text_of(const void* lock) {
  char text[24];
  std::snprintf(text, sizeof(text), "%p", lock);
  return text;
}

// Locks are static where they must be told of: each is told of once, by its address.

TEST(HeldLocks, NamesFiberCallLockAndPlace) {
  static std::mutex mutex;
  const std::string told = told_of([&] {
    weft::spawn({.name = "keeper"}, [&] {
      const std::lock_guard guard(mutex);
      ::usleep(1000);
    }).get();
  });
  EXPECT_THAT(told, HasSubstr("weft: keeper, spawned at "));
  EXPECT_THAT(told,
              HasSubstr("is suspended by usleep while it holds the lock at " + text_of(&mutex)));
  EXPECT_THAT(told, HasSubstr("taken at "));
  EXPECT_THAT(told, HasSubstr("hook_held_locks"));
  EXPECT_THAT(told, HasSubstr("blocks the worker"));
}

// The writer runs when this fiber waits, and not before: a time limit could be over by the time
// that the call would wait.
TEST(HeldLocks, NamesTheCallThatWaitsForADescriptor) {
  const std::string told = told_of([&] {
    static std::mutex mutex;
    const Pair pair;
    const auto write_later = [&] {
      return weft::spawn([&] { EXPECT_EQ(::write(pair[1], "x", 1), 1); });
    };
    pollfd item{pair[0], POLLIN, 0};
    char byte = 0;
    const std::lock_guard guard(mutex);
    auto first = write_later();
    EXPECT_EQ(::poll(&item, 1, -1), 1);
    EXPECT_EQ(::read(pair[0], &byte, 1), 1);
    static std::mutex other;
    const std::lock_guard inner(other);
    auto second = write_later();
    EXPECT_EQ(::read(pair[0], &byte, 1), 1);
    first.get();
    second.get();
  });
  EXPECT_THAT(told, HasSubstr("is suspended by poll while"));
  EXPECT_THAT(told, HasSubstr("is suspended by read while"));
}

TEST(HeldLocks, SaysNothingOfLocksThatWereGivenBack) {
  const std::string told = told_of([&] {
    std::mutex mutex;
    std::recursive_mutex recursive;
    std::shared_mutex shared;
    for (int i = 0; i < 50; ++i) {
      {
        const std::scoped_lock guard(mutex, recursive);
        const std::lock_guard again(recursive);
        const std::shared_lock reader(shared);
      }
      const std::unique_lock tried(mutex, std::try_to_lock);
      EXPECT_TRUE(tried.owns_lock());
    }
    ::usleep(1000);
    const Pair pair;
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    const std::lock_guard guard(mutex);  // and of calls that need not wait
    char byte = 0;
    EXPECT_EQ(::read(pair[0], &byte, 1), 1);
  });
  EXPECT_EQ(told, "");
}

TEST(HeldLocks, SaysNothingOutsideDebugMode) {
  std::mutex mutex;
  const std::string told = told_of(
      [&] {
        const std::lock_guard guard(mutex);
        ::usleep(1000);
      },
      false);
  EXPECT_EQ(told, "");
  EXPECT_FALSE(weft::hook::tracks_locks());
}

TEST(HeldLocks, TellsOnceOfAPlace) {
  static std::mutex mutex;
  const std::string told = told_of([&] {
    for (int i = 0; i < 5; ++i) {
      const std::lock_guard guard(mutex);
      ::usleep(100);
    }
  });
  EXPECT_EQ(told.find("holds the lock"), told.rfind("holds the lock"));
  EXPECT_THAT(told, HasSubstr("holds the lock"));
}

TEST(HeldLocks, KnowsThePlainCallsAndReadersOfSharedLocks) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
  const std::string told = told_of([&] {
    const timespec soon{4'000'000'000, 0};
    EXPECT_EQ(::pthread_mutex_timedlock(&mutex, &soon), 0);
    EXPECT_EQ(::pthread_rwlock_rdlock(&shared), 0);
    ::usleep(100);
    EXPECT_EQ(::pthread_rwlock_unlock(&shared), 0);
    EXPECT_EQ(::pthread_mutex_unlock(&mutex), 0);
  });
  EXPECT_THAT(told, HasSubstr(text_of(&mutex)));
  EXPECT_THAT(told, HasSubstr(text_of(&shared)));
}

// The condition variable gives the lock back within libc, and a thread takes it meanwhile.
TEST(HeldLocks, FollowsConditionVariables) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  bool is_set = false;
  const std::string told = told_of([&] {
    std::thread setter([&] {
      EXPECT_EQ(::pthread_mutex_lock(&mutex), 0);
      is_set = true;
      ::pthread_cond_signal(&changed);
      EXPECT_EQ(::pthread_mutex_unlock(&mutex), 0);
    });
    EXPECT_EQ(::pthread_mutex_lock(&mutex), 0);
    while (!is_set) ::pthread_cond_wait(&changed, &mutex);
    EXPECT_EQ(::pthread_mutex_unlock(&mutex), 0);
    setter.join();
    ::usleep(100);
  });
  EXPECT_EQ(told, "");
}

// A recursive lock lets the other fiber in, as the thread has it already.
TEST(HeldLocks, TellsOfARecursiveLockThatIsEnteredTwice) {
  if (support::kThreadSanitizer)
    GTEST_SKIP() << "it takes fibers for threads, and ends the program";
  std::recursive_mutex mutex;
  const std::string told = told_of([&] {
    weft::Task<void> first = weft::spawn({.name = "first"}, [&] {
      const std::lock_guard guard(mutex);
      ::usleep(100'000);
    });
    let_others_wait();
    mutex.lock();
    mutex.unlock();
    first.get();
  });
  EXPECT_THAT(told, HasSubstr("entered twice"));
  EXPECT_THAT(told, HasSubstr("held by first"));
}

// The worker is blocked then, for as long as the test allows.
TEST(HeldLocks, TellsOfADeadlockBeforeItIsOne) {
  const auto deadlock = [] {
    ::alarm(20);
    std::mutex mutex;
    weft::Options options = workers(1);
    options.debug = true;
    // Whoever sees the report ends it.
    weft::run(options, [&] {
      weft::Task<void> holder = weft::spawn({.name = "holder"}, [&] {
        const std::lock_guard guard(mutex);
        ::usleep(10'000'000);
      });
      let_others_wait();
      ::alarm(1);
      const std::lock_guard guard(mutex);
    });
  };
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(deadlock(), testing::KilledBySignal(SIGALRM),
              "deadlock: .*held by holder, .*suspended on the same worker");
}

}  // namespace
