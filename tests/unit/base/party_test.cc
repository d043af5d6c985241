// Goal: a worker is the solo thread of its process while all other threads that take part sleep or
// have left, and no longer. Method: each test in a process of its own, for much of it is once and
// for all there; what a thread is to the words, it says itself.

#include <gtest/gtest.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include "base/membarrier.h"
#include "base/party.h"
#include "support/build_kind.h"

namespace {

using weft::detail::party;
using weft::detail::Party;

/// Whether all of it held in the child of a fork; `body` says what did not.
bool holds_in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

class PartyTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(__libc_single_threaded, 0) << "what begins among threads is not solo";
  }
};

const weft::Options kAlone{.workers = 1};

/// What its worker is. ThreadSanitizer does not know the barrier, and a kernel or a filter may
/// refuse it.
Party expected() {
  const bool may = !support::kThreadSanitizer && weft::detail::prepare_barrier_on_all_threads();
  return may ? Party::kSolo : Party::kOneOfMany;
}

/// Whether the worker that runs the calling fiber becomes what a solo one is, in the end.
bool becomes_solo() {
  using namespace std::chrono_literals;
  weft::Mutex mutex;
  const auto end = std::chrono::steady_clock::now() + 20s;
  do {
    weft::yield();
    const std::lock_guard lock(mutex);
    if (party() == expected()) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

TEST_F(PartyTest, TheOnlyWorkerIsSolo) {
  EXPECT_TRUE(holds_in_child([] {
    weft::run(kAlone, [] {
      weft::Mutex mutex;
      weft::Channel<int> channel;
      auto sending = weft::spawn([&] { channel.send(7); });
      EXPECT_EQ(channel.receive(), 7);
      mutex.lock();
      EXPECT_FALSE(mutex.try_lock());
      mutex.unlock();
      sending.get();
      EXPECT_EQ(party(), expected());
    });
    EXPECT_EQ(party(), Party::kNewcomer) << "the thread that waits for it has changed nothing";
  }));
}

// Nothing of it is done by another thread.
TEST_F(PartyTest, AndStaysSoWhateverItsFibersDo) {
  using namespace std::chrono_literals;
  for (const char* const driver : {"epoll", "auto"}) {
    EXPECT_TRUE(holds_in_child([driver] {
      weft::run(weft::Options{.workers = 1, .driver = driver}, [] {
        auto listener = weft::TcpListener::bind("127.0.0.1", 0);
        auto echoing = weft::spawn([&] {
          auto peer = listener.accept();
          peer.write_all(peer.read_until("\n"));
        });
        auto client = weft::TcpStream::connect(listener.local_address());
        client.write_all("weft\n");
        EXPECT_EQ(client.read_until("\n"), "weft\n");
        weft::task_group([&](weft::TaskGroup& group) {
          group.spawn([] { weft::sleep_for(1ms); });
          group.spawn([&] { echoing.get(); });
        });
        EXPECT_THROW(weft::timeout(1ms, [] { weft::sleep_for(10s); }), weft::TimeoutError);
        auto forgotten = weft::spawn([] { weft::sleep_for(1ms); });
        forgotten.cancel();
        forgotten.join();
        EXPECT_EQ(party(), expected());
      });
    }));
  }
}

TEST_F(PartyTest, SoIsTheOnlyWorkerOfTheNextRuntime) {
  EXPECT_TRUE(holds_in_child([] {
    for (int i = 0; i < 3; ++i) {
      weft::run(kAlone, [] {
        weft::gather([] { weft::yield(); }, [] { weft::yield(); });
        EXPECT_EQ(party(), expected());
      });
    }
  }));
}

TEST_F(PartyTest, AThreadThatTakesPartEndsItUntilItEnds) {
  EXPECT_TRUE(holds_in_child([] {
    weft::run(kAlone, [] {
      weft::Mutex mutex;
      mutex.lock();
      std::atomic<bool> entered{false};
      std::atomic<bool> may_end{false};
      std::thread other([&] {
        EXPECT_EQ(party(), Party::kNewcomer);
        const std::lock_guard lock(mutex);
        EXPECT_EQ(party(), Party::kOneOfMany);
        entered = true;
        while (!may_end) std::this_thread::yield();
      });
      weft::sleep_for(std::chrono::milliseconds(20));
      EXPECT_FALSE(entered);
      mutex.unlock();
      while (!entered) weft::sleep_for(std::chrono::milliseconds(1));
      for (int i = 0; i < 100; ++i) {
        weft::sleep_for(std::chrono::microseconds(10));
        weft::Semaphore one;
        const auto permit = one.hold();
        EXPECT_EQ(party(), Party::kOneOfMany);
      }
      may_end = true;
      other.join();
      EXPECT_TRUE(becomes_solo());
    });
  }));
}

TEST_F(PartyTest, AJobOfTheBlockingPoolEndsItForAWhile) {
  EXPECT_TRUE(holds_in_child([] {
    weft::run(kAlone, [] {
      for (int i = 0; i < 3; ++i) {
        weft::Mutex mutex;
        weft::to_thread([&] {
          const std::lock_guard lock(mutex);
          EXPECT_EQ(party(), Party::kOneOfMany);
        });
        EXPECT_TRUE(becomes_solo());
      }
    });
  }));
}

// One worker after the other, or the same again.
TEST_F(PartyTest, OneOfTwoIsSoloWhileTheOtherSleeps) {
  EXPECT_TRUE(holds_in_child([] {
    weft::run(weft::Options{.workers = 2}, [] {
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(becomes_solo());
        std::atomic<int> running{0};
        const auto both_run = [&] {
          // So that each has a worker.
          for (++running; running < 2;) continue;
          weft::Mutex mutex;
          const std::lock_guard lock(mutex);
          EXPECT_EQ(party(), Party::kOneOfMany);
          for (++running; running < 4;) continue;
        };
        weft::gather(both_run, both_run);
      }
    });
  }));
}

/// What the worker of a runtime is when it has just changed a word. The caller changes none.
Party party_in(weft::Runtime& runtime) {
  std::atomic<Party> answer{};
  std::atomic<bool> told{false};
  runtime.post([&] {
    weft::Mutex mutex;
    const std::lock_guard lock(mutex);
    answer = party();
    told = true;
  });
  while (!told) std::this_thread::yield();
  return answer;
}

TEST_F(PartyTest, NorIsOneOfTwoRuntimes) {
  EXPECT_TRUE(holds_in_child([] {
    weft::Runtime first(kAlone);
    EXPECT_EQ(party_in(first), expected());
    weft::Runtime second(kAlone);
    EXPECT_EQ(party_in(second), Party::kOneOfMany);
    EXPECT_EQ(party_in(first), Party::kOneOfMany);
  }));
}

TEST_F(PartyTest, TheThreadThatWaitsInRunHasLeft) {
  EXPECT_TRUE(holds_in_child([] {
    weft::Mutex mutex;
    const std::lock_guard lock(mutex);
    EXPECT_EQ(party(), Party::kOneOfMany);
    weft::run(kAlone, [] { EXPECT_TRUE(becomes_solo()); });
    EXPECT_EQ(party(), Party::kNewcomer);
  }));
}

// What is prepared takes long there, and is done later.
TEST_F(PartyTest, OneThatBeginsAmongThreadsIsSoloAfterAWhile) {
  EXPECT_TRUE(holds_in_child([] {
    std::thread([] {}).join();
    weft::run(kAlone, [] {
      EXPECT_EQ(party(), Party::kOneOfMany);
      EXPECT_TRUE(becomes_solo());
    });
  }));
}

// The solo thread is not there, and may have been in the midst of a change. (Not with mutexes:
// where they are recorded, the record has a lock that may be held at the fork.)
TEST_F(PartyTest, TheChildOfAnotherThreadDoesNotWaitForIt) {
  EXPECT_TRUE(holds_in_child([] {
    std::atomic<bool> done{false};
    std::thread forking;
    weft::run(kAlone, [&] {
      forking = std::thread([&] {
        for (int i = 0; i < 30; ++i) {
          EXPECT_TRUE(holds_in_child([] {
            ::alarm(20);
            weft::Semaphore one;
            const auto permit = one.hold();
            EXPECT_EQ(party(), Party::kOneOfMany);
          }));
        }
        done = true;
      });
      weft::Semaphore one;
      while (!done) {
        for (int i = 0; i < 1000; ++i) const auto permit = one.hold();
        EXPECT_EQ(party(), expected());
        weft::yield();
      }
    });
    forking.join();
  }));
}

}  // namespace
