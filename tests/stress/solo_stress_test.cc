// Goal: from the moment at which a thread comes to what a worker has had to itself, whenever that
// is, no change of either is lost. Method: fibers do random operations on what locks, counts and
// carries; the books must balance. With one worker, threads that some fibers start at random do the
// same; that happens once in a process, so each round is one. With several, fibers work by
// themselves for a while and then all together, again and again, so that other workers fall asleep,
// and wake.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "base/membarrier.h"
#include "base/party.h"
#include "support/build_kind.h"
#include "support/seed.h"

namespace {

using support::Random;

constexpr int kFibers = 4;
constexpr int kThreads = 2;

/// What all share. The numbers are plain: what makes them right is beside them.
struct Books {
  weft::Mutex mutex;
  long locked = 0;
  weft::FairMutex fair;
  long fairly = 0;
  weft::SharedMutex shared;
  long written = 0;
  weft::Semaphore one{1};
  long permitted = 0;
  weft::Channel<int> channel{3};
  std::atomic<long> sent{0}, received{0};

  std::atomic<long> done[4]{};
};

void add_one(long& number) {
  const long before = number;
  asm volatile("" ::: "memory");
  number = before + 1;
}

void operate(Books& books, Random& random) {
  const int kind = random.below(6);
  switch (kind) {
    case 0: {
      const std::lock_guard lock(books.mutex);
      add_one(books.locked);
      break;
    }
    case 1: {
      const std::lock_guard lock(books.fair);
      add_one(books.fairly);
      break;
    }
    case 2: {
      const std::lock_guard lock(books.shared);
      add_one(books.written);
      break;
    }
    case 3: {
      const auto permit = books.one.hold();
      add_one(books.permitted);
      break;
    }
    case 4:
      books.channel.send(1);
      ++books.sent;
      return;
    default:
      if (const auto item = books.channel.try_receive()) books.received += *item;
      return;
  }
  ++books.done[kind];
}

void work(Books& books, std::uint64_t stream, int operations, bool yields) {
  Random random(stream);
  for (int i = 0; i < operations; ++i) {
    operate(books, random);
    if (yields && random.one_in(8)) weft::yield();
  }
}

bool balance(const Books& books) {
  return books.locked == books.done[0] && books.fairly == books.done[1] &&
         books.written == books.done[2] && books.permitted == books.done[3] &&
         books.sent == books.received;
}

/// In a process of its own. False: the books do not balance.
bool round(std::uint64_t stream) {
  Books books;
  weft::run(weft::Options{.workers = 1}, [&] {
    Random random(stream);
    const int operations = 200 + random.below(support::scaled(2000));
    std::atomic<int> left{kFibers + kThreads};
    std::vector<std::thread> threads;
    weft::Mutex starting;
    for (int member = 0; member < kFibers; ++member) {
      const int thread_after = random.below(operations);
      weft::spawn([&, member, thread_after] {
        const std::uint64_t own = stream + 2 + static_cast<std::uint64_t>(member);
        work(books, own, thread_after, true);
        if (member < kThreads) {
          const std::lock_guard lock(starting);
          threads.emplace_back([&books, &left, own, operations] {
            work(books, own + 100, operations, false);
            --left;
          });
        }
        work(books, own + 200, operations - thread_after, true);
        --left;
      });
    }
    // Whoever sends must not wait for ever.
    while (left > 0) {
      if (const auto item = books.channel.try_receive()) books.received += *item;
      weft::yield();
    }
    for (std::thread& thread : threads) thread.join();
    while (const auto item = books.channel.try_receive()) books.received += *item;
  });
  return balance(books);
}

TEST(SoloStress, WhoeverComesWheneverNothingIsLost) {
  support::seed();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  int rounds = 0;
  do {
    const std::uint64_t stream = static_cast<std::uint64_t>(rounds) << 20;
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);
      ::_exit(round(stream) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << "in round " << rounds << " (a signal of 14: it hung)";
    ++rounds;
  } while (std::chrono::steady_clock::now() < end);
  std::printf("%d rounds\n", rounds);
}

/// What one of the fibers receives is not counted as done, so whoever sends never waits.
void work_and_drain(Books& books, std::uint64_t stream, int operations) {
  Random random(stream);
  for (int i = 0; i < operations; ++i) {
    operate(books, random);
    while (const auto item = books.channel.try_receive()) books.received += *item;
    if (random.one_in(8)) weft::yield();
  }
}

/// Two fibers by themselves, long enough for the other workers to fall asleep, mostly. Whether a
/// worker was solo then.
bool work_alone(Books& books, Random& random) {
  weft::Channel<int> there;
  auto partner = weft::spawn([&] {
    while (const auto item = there.receive()) ++books.received;
  });
  for (int turns = random.below(support::scaled(80000)); turns > 0; --turns) {
    operate(books, random);
    there.send(1);
    ++books.sent;
    while (const auto item = books.channel.try_receive()) books.received += *item;
  }
  const bool solo = weft::detail::party() == weft::detail::Party::kSolo;
  there.close();
  partner.get();
  return solo;
}

void work_together(Books& books, std::uint64_t stream, int operations) {
  weft::task_group([&](weft::TaskGroup& group) {
    for (std::uint64_t member = 0; member < kFibers; ++member) {
      group.spawn([&books, stream, member, operations] {
        work_and_drain(books, stream + member, operations);
      });
    }
  });
}

class SoloAmongWorkers : public testing::TestWithParam<unsigned> {};

// A worker that has been solo in vain becomes so less often: a runtime is for a few rounds.
TEST_P(SoloAmongWorkers, WhoeverWakesWheneverNothingIsLost) {
  using std::chrono::seconds;
  using Clock = std::chrono::steady_clock;
  Random random(support::seed());
  Books books;
  // Under chaos nobody sleeps for long.
  const bool may = !support::kThreadSanitizer && !support::kChaos &&
                   weft::detail::prepare_barrier_on_all_threads();
  int runtimes = 0, solo = 0;
  const auto start = Clock::now();
  std::uint64_t stream = 0;
  // Where CPUs are few and busy, it takes a while until all others sleep.
  for (seconds enough(3); Clock::now() < start + enough; ++runtimes) {
    weft::run(weft::Options{.workers = GetParam()}, [&] {
      for (int rounds = 0; rounds < 4; ++rounds) {
        solo += work_alone(books, random) ? 1 : 0;
        work_together(books, stream += kFibers, random.below(300));
      }
    });
    ASSERT_TRUE(balance(books)) << "in runtime " << runtimes;
    enough = seconds(may && solo == 0 ? 60 : 3);
  }
  std::printf("%d runtimes, %d times solo\n", runtimes, solo);
  EXPECT_GT(solo, may ? 0 : -1);
}
INSTANTIATE_TEST_SUITE_P(Workers, SoloAmongWorkers, testing::Values(2U, 3U));

}  // namespace
