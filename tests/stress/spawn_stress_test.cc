// Goal: however many tasks spawn, drop, join and fail at once, each runs once and ends once, what
// it captured and returned is destroyed, and every exception is either read or reported, exactly
// once. Method: random trees of tasks whose shape depends on the seed alone; every task has a slot
// of its own in the books, which must balance when the runtime has ended.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/rounds.h"
#include "support/seed.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::Random;
using support::scaled;

constexpr auto kTime = 3s;

struct Failure : std::runtime_error {
  explicit Failure(int task) : std::runtime_error("task " + std::to_string(task)), id(task) {}
  const int id;
};

/// What is known of the tasks of one round.
class Books {
 public:
  explicit Books(int tasks) : pages_(static_cast<std::size_t>(tasks)) {}

  /// The next task's number; -1 when there are enough.
  int admit() {
    const int id = admitted_.fetch_add(1);
    return id < static_cast<int>(pages_.size()) ? id : -1;
  }
  void begun(int id) { ++page(id).begun; }
  void ended(int id) { ++page(id).ended; }
  void thrown(int id) { ++page(id).thrown; }
  /// By whoever caught it, or was told of it.
  void seen(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const Failure& failure) {
      ++page(failure.id).seen;
    } catch (const weft::Cancelled&) {
    }
  }
  LiveCount& live() { return live_; }

  void check() {
    EXPECT_EQ(live_.alive(), 0);
    const int admitted = std::min(admitted_.load(), static_cast<int>(pages_.size()));
    for (int id = 0; id < admitted; ++id) {
      const Page& of = page(id);
      ASSERT_EQ(of.begun, 1) << "task " << id;
      ASSERT_EQ(of.ended, 1) << "task " << id;
      ASSERT_EQ(of.seen, of.thrown) << "task " << id;
    }
  }

 private:
  struct Page {
    std::atomic<signed char> begun{0}, ended{0}, thrown{0}, seen{0};
  };
  Page& page(int id) { return pages_[static_cast<std::size_t>(id)]; }

  std::vector<Page> pages_;
  std::atomic<int> admitted_{0};
  LiveCount live_;
};

using Result = std::pair<int, LiveCount::Token>;
using Handle = weft::Task<Result>;

class Tree {
 public:
  Tree(Books& books, std::uint64_t stream) : books_(books), stream_(stream) {}

  /// Starts a task; an invalid handle when there are enough.
  Handle grow(Random& random, int depth) {
    const int id = books_.admit();
    if (id < 0) return {};
    auto body = [this, id, depth, token = books_.live().token()] { return live(id, depth, token); };
    switch (random.below(8)) {
      case 0:
        return weft::spawn({.stack_size = std::size_t{64} << 10}, std::move(body));
      case 1:
        return weft::spawn({.pinned = true}, std::move(body));
      case 2:
        return weft::spawn({.name = "tree " + std::to_string(id)},
                           [body, ballast = std::vector<char>(300)] { return body(); });
      default:
        return weft::spawn(std::move(body));
    }
  }

 private:
  Result live(int id, int depth, const LiveCount::Token& token) {
    books_.begun(id);
    struct End {
      Books& books;
      int id;
      ~End() { books.ended(id); }
    } end{books_, id};
    Random random(stream_ + static_cast<std::uint64_t>(id) + 1);
    std::vector<Handle> children;
    for (int i = depth > 0 ? random.below(7) : 0; i > 0; --i) {
      children.push_back(grow(random, depth - 1));
      if (random.one_in(4)) weft::yield();
    }
    while (!children.empty()) {
      Handle child = std::move(children.back());
      children.pop_back();
      if (child.valid()) part_with(random, std::move(child), depth);
    }
    if (random.one_in(6)) {
      books_.thrown(id);
      throw Failure(id);
    }
    return {id, token};
  }

  void part_with(Random& random, Handle child, int depth) {
    try {
      switch (random.below(7)) {
        case 0:
          child.join();
          break;  // and if it failed, the exception is reported
        case 1:
          child.get();
          break;
        case 2:
          std::move(child).get();
          break;
        case 3:
          // Only for leaves: a thread that waits for one that waits for a thread may wait for ever.
          if (depth == 1) weft::to_thread([child] { child.join(); });
          break;
        case 4:  // the last handle may go anywhere
          weft::spawn([child]() mutable { weft::yield(); });
          break;
        case 5:
          while (!child.done()) weft::yield();
          if (child.exception()) books_.seen(child.exception());
          break;
        default:
          break;  // detached
      }
    } catch (const Failure&) {
      books_.seen(std::current_exception());
    }
  }

  Books& books_;
  const std::uint64_t stream_;
};

TEST(SpawnStress, TreesOfTasksBalanceTheirBooks) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    Books books(scaled(3'000));
    const weft::Options options{
        .workers = 1u + static_cast<unsigned>(random.below(4)),
        .blocking_threads = 4,
        .fifo = random.one_in(3),
        .on_lost_exception = [&](const weft::LostException& lost) { books.seen(lost.exception); },
    };
    weft::run(options, [&] {
      Tree tree(books, stream);
      for (int i = 0; i < 20; ++i) {
        tree.grow(random, 5);
        if (random.one_in(3)) weft::yield();
      }
      // Detached tasks come to their end before the runtime's end would cancel them.
      while (books.live().alive() > 0) weft::sleep_for(100us);
    });
    books.check();
  });
}

// Handles go from hand to hand between fibers and threads, and the last one anywhere.
TEST(SpawnStress, HandlesTravelAndDieAnywhere) {
  support::for_rounds(1s, [](std::uint64_t stream) {
    LiveCount live;
    std::vector<weft::Task<LiveCount::Token>> pool(32);
    std::mutex mutex;
    const auto swap_some = [&](Random random) {
      for (int i = 0; i < scaled(500); ++i) {
        weft::Task<LiveCount::Token> mine;
        {
          const std::lock_guard lock(mutex);
          mine = pool[static_cast<std::size_t>(random.below(32))];
          pool[static_cast<std::size_t>(random.below(32))] = mine;
        }
        if (!mine.valid()) continue;
        if (random.one_in(4)) mine.join();
        if (random.one_in(3) && mine.done()) {
          EXPECT_NO_THROW(mine.get());
        }
      }
    };
    weft::Runtime runtime;
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < 2; ++i) threads.emplace_back(swap_some, Random(stream + i));
    runtime.run([&] {
      Random random(stream + 100);
      for (int i = 0; i < scaled(1'000); ++i) {
        weft::Task<LiveCount::Token> made = weft::spawn([&live] {
          weft::yield();
          return live.token();
        });
        {
          const std::lock_guard lock(mutex);
          pool[static_cast<std::size_t>(random.below(32))] = made;
        }
        if (random.one_in(8)) made.get();
      }
    });
    for (std::thread& thread : threads) thread.join();
    pool.clear();
    // Tasks that nobody holds any more may still be on their way.
    while (live.alive() > 0) runtime.run([] { weft::yield(); });
  });
}

}  // namespace
