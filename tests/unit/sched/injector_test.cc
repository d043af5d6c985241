// Goal: what goes in comes out once, each producer's items in its order, and is counted. Method: by
// hand with several ports; lack of memory in a child process whose address space is nearly full.
// What happens between threads is the stress test's.

#include "sched/injector.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

#include "support/build_kind.h"

namespace weft::detail {
namespace {

using Queue = Injector<int>;

class InjectorTest : public testing::Test {
 protected:
  InjectorTest() {
    std::iota(items_.begin(), items_.end(), 0);
    for (int& item : items_) pointers_.push_back(&item);
  }

  // What comes out at one port until nothing does.
  std::vector<int> drain(Queue::Port& port, std::size_t at_once = 4) {
    std::vector<int> numbers;
    std::vector<int*> out(at_once);
    while (const std::size_t got = queue_.pop(port, out.data(), at_once)) {
      EXPECT_LE(got, at_once);
      for (std::size_t i = 0; i < got; ++i) numbers.push_back(*out[i]);
    }
    return numbers;
  }

  std::vector<int> items_ = std::vector<int>(1000);
  std::vector<int*> pointers_;
  Queue queue_;
  Queue::Port port_{queue_};
  Queue::Port other_{queue_};
};

TEST_F(InjectorTest, IsEmptyAtFirst) {
  EXPECT_FALSE(queue_.maybe_has_items());
  EXPECT_EQ(queue_.size(), 0u);
  EXPECT_TRUE(drain(port_).empty());
}

TEST_F(InjectorTest, ItemsFromOutsideComeOutInOrder) {
  for (int* item : pointers_) queue_.push(item);
  EXPECT_TRUE(queue_.maybe_has_items());
  EXPECT_EQ(queue_.size(), items_.size());
  EXPECT_EQ(drain(port_), items_);
  EXPECT_FALSE(queue_.maybe_has_items());
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(InjectorTest, WorkersBatchComesOutInOrderAtAnotherPort) {
  queue_.push(port_, pointers_.data(), pointers_.size());
  EXPECT_EQ(queue_.size(), items_.size());
  EXPECT_EQ(drain(other_), items_);
}

TEST_F(InjectorTest, PopTakesNoMoreThanAskedAndCountsWhatItTook) {
  queue_.push(port_, pointers_.data(), 10);
  int* out[10] = {};
  EXPECT_EQ(queue_.pop(other_, out, 3), 3u);
  EXPECT_EQ(queue_.size(), 7u);
  EXPECT_TRUE(queue_.maybe_has_items());
  EXPECT_EQ(queue_.pop(other_, out, 10), 7u);
  EXPECT_EQ(queue_.pop(other_, out, 10), 0u);
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(InjectorTest, EveryProducersItemsAreFound) {
  queue_.push(port_, pointers_.data(), 300);
  queue_.push(other_, pointers_.data() + 300, 300);
  for (std::size_t i = 600; i < 1000; ++i) queue_.push(pointers_[i]);
  Queue::Port third(queue_);
  std::vector<int> numbers = drain(third, 32);
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(numbers, items_);
}

TEST_F(InjectorTest, ItemsOutliveThePortTheyCameBy) {
  {
    Queue::Port leaving(queue_);
    queue_.push(leaving, pointers_.data(), 100);
  }
  EXPECT_EQ(drain(port_).size(), 100u);
}

TEST_F(InjectorTest, ManyThreadsThatComeAndGoLeaveNothingBehind) {
  for (int i = 0; i < 100; ++i) {
    std::thread([&] { queue_.push(pointers_[static_cast<std::size_t>(i)]); }).join();
  }
  EXPECT_EQ(drain(port_).size(), 100u);
  EXPECT_EQ(queue_.size(), 0u);
}

// ---- Lack of memory.

#if !defined(SUPPORT_ASAN) && !defined(SUPPORT_TSAN)  // they need terabytes of addresses

// Runs in a child process: pushes until there is no memory, and exits with 0 if all is as promised.
[[noreturn]] void push_until_memory_is_out() {
  const rlimit limit{std::size_t{96} << 20, std::size_t{96} << 20};
  static Injector<int> queue;
  static Injector<int>::Port port(queue);
  static int item = 0;
  int* const items[2] = {&item, &item};
  if (::setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(10);
  std::size_t pushed = 0;
  bool outside_failed = false;
  bool worker_failed = false;
  while (!outside_failed || !worker_failed) {
    try {
      if (!outside_failed) {
        queue.push(&item);
        ++pushed;
      }
    } catch (const std::bad_alloc&) {
      outside_failed = true;
    }
    if (queue.size() != pushed) std::_Exit(11);
    try {
      if (!worker_failed) {
        queue.push(port, items, 2);
        pushed += 2;
      }
    } catch (const std::bad_alloc&) {
      worker_failed = true;
    }
    if (queue.size() != pushed) std::_Exit(12);
  }
  std::size_t popped = 0;
  int* out[32];
  while (const std::size_t got = queue.pop(port, out, 32)) popped += got;
  if (popped != pushed) std::_Exit(13);
  std::_Exit(queue.maybe_has_items() ? 14 : 0);
}

TEST(InjectorDeathTest, PushWithoutMemoryThrowsAndChangesNothing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(push_until_memory_is_out(), testing::ExitedWithCode(0), "");
}

#endif

}  // namespace
}  // namespace weft::detail
