// Goal: nothing that a task uses is gone before it, in any of the documented ways of passing
// callables, when the call that was given them leaves by an exception while the tasks still run.
// Method: tasks that go on after the frame in which they were made has gone, and read what they
// were given; AddressSanitizer sees what no longer is.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <functional>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Arrivals;
using support::LiveCount;

// Large enough to be on the heap, and to be seen when it is freed.
std::vector<int> data() {
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}
long sum(const std::vector<int>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0L);
}
constexpr long kSum = 999 * 1000 / 2;

[[noreturn]] void fail() { throw std::runtime_error("leave"); }

// Fails once the others, `running`, have begun and wait.
auto fails_when(Arrivals& running) {
  return [&running] {
    running.wait();
    fail();
  };
}

TEST(CallableLifetime, OfWhatGatherWasGivenIsTheChilds) {
  weft::run([] {
    weft::Event go;
    Arrivals running(3), done(3);
    const auto leave = [&] {
      const auto read = [&running, &done, &go, numbers = data()] {
        running.arrive();
        go.wait();
        EXPECT_EQ(sum(numbers), kSum);
        done.arrive();
      };
      struct Functor {
        std::unique_ptr<std::vector<int>> numbers;
        Arrivals &running, &done;
        weft::Event& go;
        void operator()() {
          running.arrive();
          go.wait();
          EXPECT_EQ(sum(*numbers), kSum);
          done.arrive();
        }
      };
      weft::gather(read,                                // an lvalue, which ends with this frame
                   std::decay_t<decltype(read)>(read),  // a temporary
                   Functor{std::make_unique<std::vector<int>>(data()), running, done, go},
                   fails_when(running));
    };
    EXPECT_THROW(leave(), std::runtime_error);
    go.set();
    done.wait();
  });
}

TEST(CallableLifetime, OfARangeThatGatherWasGivenIsTheChildrens) {
  weft::run([] {
    weft::Event go;
    Arrivals running(20), done(20);
    const auto leave = [&] {
      std::vector<std::function<void()>> calls;
      for (int i = 0; i < 20; ++i) {
        calls.emplace_back([&running, &done, &go, numbers = data()] {
          running.arrive();
          go.wait();
          EXPECT_EQ(sum(numbers), kSum);
          done.arrive();
        });
      }
      calls.emplace_back(fails_when(running));
      weft::gather(calls);
    };
    EXPECT_THROW(leave(), std::runtime_error);
    go.set();
    done.wait();
  });
}

TEST(CallableLifetime, OfAFrameCoversTheChildrenOfItsTaskGroup) {
  weft::run([] {
    LiveCount live;
    const auto leave = [&] {
      const std::vector<int> numbers = data();
      const LiveCount::Token frame = live.token();
      Arrivals running(10);
      weft::task_group([&](weft::TaskGroup& group) {
        for (int i = 0; i < 10; ++i) {
          group.spawn([&numbers, &running] {
            running.arrive();
            try {
              support::sleep_forever();
            } catch (const weft::Cancelled&) {
              for (int turn = 0; turn < 5; ++turn) weft::yield();
              EXPECT_EQ(sum(numbers), kSum) << "the frame is there until the last child has ended";
              throw;
            }
          });
        }
        running.wait();
        fail();
      });
    };
    EXPECT_THROW(leave(), weft::ExceptionGroup);
    EXPECT_EQ(live.alive(), 0);
  });
}

TEST(CallableLifetime, OfAFrameCoversAGroupThatIsCancelled) {
  weft::run([] {
    weft::Event begun;
    const weft::Task<void> owner = weft::spawn([&] {
      const std::vector<int> numbers = data();
      weft::task_group([&](weft::TaskGroup& group) {
        group.spawn([&] {
          group.spawn([&] {
            begun.set();
            support::sleep_until_cancelled();
            weft::yield();
            EXPECT_EQ(sum(numbers), kSum);
          });
          support::sleep_until_cancelled();
          EXPECT_EQ(sum(numbers), kSum);
        });
      });
    });
    begun.wait();
    owner.cancel();
    owner.join();
    EXPECT_TRUE(owner.cancelled());
  });
}

TEST(CallableLifetime, OfADetachedTasksCallableIsItsOwn) {
  weft::run([] {
    weft::Event go;
    Arrivals done(1);
    {
      const auto read = [&, numbers = data()] {
        go.wait();
        EXPECT_EQ(sum(numbers), kSum);
        done.arrive();
      };
      weft::spawn(read);
    }
    go.set();
    done.wait();
  });
}

TEST(CallableLifetime, OfAShieldedCallGoesOnAfterItsCaller) {
  weft::run([] {
    weft::Event go;
    Arrivals done(1);
    const auto leave = [&] {
      const auto read = [&go, &done, numbers = data()] {
        go.wait();
        EXPECT_EQ(sum(numbers), kSum);
        done.arrive();
      };
      weft::timeout(5ms, [&] { weft::shield(read); });
    };
    EXPECT_THROW(leave(), weft::TimeoutError);
    go.set();
    done.wait();
  });
}

TEST(CallableLifetime, OfACallOnAThreadGoesOnAfterItsCaller) {
  weft::run([] {
    weft::Event go;
    Arrivals done(1);
    const auto leave = [&] {
      const auto read = [&go, &done, numbers = data()] {
        go.wait();
        EXPECT_EQ(sum(numbers), kSum);
        done.arrive();
      };
      weft::timeout(5ms, [&] { weft::to_thread(read); });
    };
    EXPECT_THROW(leave(), weft::TimeoutError);
    go.set();
    done.wait();
  });
}

TEST(CallableLifetime, OfADoneCallbackIsItsOwn) {
  weft::run([] {
    weft::Event go;
    Arrivals done(1);
    {
      const auto read = [&done, numbers = data()](const weft::Task<void>&) {
        EXPECT_EQ(sum(numbers), kSum);
        done.arrive();
      };
      weft::spawn([&] { go.wait(); }).add_done_callback(read);
    }
    go.set();
    done.wait();
  });
}

}  // namespace
