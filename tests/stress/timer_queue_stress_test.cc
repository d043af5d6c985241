// Goal: of a timer's firing and its cancelling exactly one happens, whoever races; after cancel()
// its frame may go at once; and a waiter woken by fire() may let it go without asking. Method: an
// owner arms, two threads expire and others cancel, each timer on the heap and freed by the thread
// that is told it may. What fire() writes is plain memory, so that the thread sanitizer reports an
// unserialised reader, and the address sanitizer a timer touched too late.

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "time/timer_queue.h"

namespace weft::detail {
namespace {

constexpr std::size_t kTimers = 100'000;

// A slot a timer is handed over through: the owner stores, one other thread takes.
template <class T>
class Handover {
 public:
  explicit Handover(std::size_t size) : slots_(size) {}
  void put(std::size_t index, T* item) { slots_[index].store(item, std::memory_order_release); }
  T* take(std::size_t index) {
    for (;;) {
      if (T* const item = slots_[index].load(std::memory_order_acquire)) return item;
      std::this_thread::yield();
    }
  }

 private:
  std::vector<std::atomic<T*>> slots_;
};

// A second thread that expires what the owner has passed, as a rescuer does.
class Rescuer {
 public:
  Rescuer(TimerQueue& queue, const std::atomic<Nanos>& time)
      : thread_([this, &queue, &time] {
          while (!stop_.load()) {
            queue.expire(time.load(), 5);
            std::this_thread::yield();
          }
        }) {}
  ~Rescuer() {
    stop_.store(true);
    thread_.join();
  }
  Rescuer(const Rescuer&) = delete;
  Rescuer& operator=(const Rescuer&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class Contested : public Timer {
 public:
  explicit Contested(std::atomic<std::size_t>& fired) : Timer(&fire), fired_(fired) {}
  int begun() const { return begun_; }
  int returned() const { return returned_; }

 private:
  static void fire(Timer& timer) noexcept {
    auto& self = static_cast<Contested&>(timer);
    ++self.begun_;
    self.fired_.fetch_add(1, std::memory_order_relaxed);
    for (int i = 0; i < 20; ++i) cpu_relax();
    ++self.returned_;
  }

  std::atomic<std::size_t>& fired_;
  int begun_ = 0;
  int returned_ = 0;
};

TEST(TimerQueueStress, TimerIsFiredOrCancelledExactlyOnce) {
  TimerQueue queue;
  std::atomic<Nanos> time{0};
  std::atomic<std::size_t> fired{0};
  std::atomic<std::size_t> cancelled{0};
  Handover<Contested> armed(kTimers);
  const auto cancel_every_second = [&](std::size_t first) {
    for (std::size_t i = first; i < kTimers; i += 2) {
      const std::unique_ptr<Contested> timer(armed.take(i));
      const bool won = timer->cancel();
      if (won) cancelled.fetch_add(1);
      // False promises that fire() is over, so these reads race with nothing.
      EXPECT_EQ(timer->begun(), won ? 0 : 1);
      EXPECT_EQ(timer->returned(), won ? 0 : 1);
    }
  };
  {
    Rescuer rescuer(queue, time);
    std::thread even(cancel_every_second, 0);
    std::thread odd(cancel_every_second, 1);
    std::mt19937 random(1);
    for (std::size_t i = 0; i < kTimers; ++i) {
      auto timer = std::make_unique<Contested>(fired);
      queue.arm(*timer, time.load() + random() % 64);
      armed.put(i, timer.release());
      time.fetch_add(1);
      if (i % 4 == 0) queue.expire(time.load());
    }
    even.join();
    odd.join();
  }
  EXPECT_EQ(fired.load() + cancelled.load(), kTimers);
  EXPECT_GT(fired.load(), 0u);
  EXPECT_GT(cancelled.load(), 0u);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.next_deadline(), kNever);
}

class Sleeper : public Timer {
 public:
  explicit Sleeper(std::atomic<bool>& woken)
      : Timer([](Timer& timer) noexcept {
          std::atomic<bool>& flag = static_cast<Sleeper&>(timer).woken_;
          flag.store(true, std::memory_order_release);  // The last use: the sleeper may be gone.
        }),
        woken_(woken) {}

 private:
  std::atomic<bool>& woken_;
};

TEST(TimerQueueStress, WokenWaiterMayLetItsTimerGo) {
  TimerQueue queue;
  std::atomic<Nanos> time{0};
  std::vector<std::atomic<bool>> woken(kTimers);
  Handover<Sleeper> armed(kTimers);
  Rescuer rescuer(queue, time);
  std::thread sleepers([&] {
    for (std::size_t i = 0; i < kTimers; ++i) {
      const std::unique_ptr<Sleeper> timer(armed.take(i));
      while (!woken[i].load(std::memory_order_acquire)) std::this_thread::yield();
      EXPECT_FALSE(timer->armed());
    }
  });
  for (std::size_t i = 0; i < kTimers; ++i) {
    auto timer = std::make_unique<Sleeper>(woken[i]);
    queue.arm(*timer, time.load() + 3);
    armed.put(i, timer.release());
    queue.expire(time.fetch_add(1));
  }
  queue.expire(time.fetch_add(3) + 3);
  sleepers.join();
}

TEST(TimerQueueStress, PublishedWaiterMayCancelAndGoAtOnce) {
  TimerQueue queue;
  std::atomic<Nanos> time{0};
  std::atomic<std::size_t> fired{0};
  std::atomic<std::size_t> cancelled{0};
  Handover<Contested> published(kTimers);
  {
    Rescuer rescuer(queue, time);
    std::thread waiter([&] {
      for (std::size_t i = 0; i < kTimers; ++i) {
        const std::unique_ptr<Contested> timer(published.take(i));
        if (timer->cancel()) cancelled.fetch_add(1);
      }
    });
    for (std::size_t i = 0; i < kTimers; ++i) {
      Contested* const timer = new Contested(fired);
      // Due at once, and handed over while the rescuer is after it.
      queue.arm(*timer, time.load(), [&] { published.put(i, timer); });
    }
    waiter.join();
  }
  EXPECT_EQ(fired.load() + cancelled.load(), kTimers);
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace weft::detail
