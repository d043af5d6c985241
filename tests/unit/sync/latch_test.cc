// Goal: a latch opens once, when all have counted. Method: fibers, and threads for the race.

#include <weft/latch.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

TEST(Latch, OpensAtZero) {
  weft::run([] {
    weft::Latch latch(3);
    EXPECT_FALSE(latch.try_wait());
    const weft::Task<void> waits = weft::spawn([&] { latch.arrive_and_wait(); });
    latch.count_down(2);
    latch.wait();
    waits.join();
    EXPECT_TRUE(latch.try_wait());
    EXPECT_THROW(latch.count_down(), std::logic_error);
    latch.count_down(0);
  });
  weft::Latch open(0);
  open.wait();
}

TEST(Latch, CancelledHasCountedAllTheSame) {
  weft::run([] {
    weft::Latch latch(2);
    const weft::Task<void> waits = weft::spawn([&] { latch.arrive_and_wait(); });
    weft::yield();
    while (!waits.done()) {
      waits.cancel();
      weft::yield();
    }
    latch.count_down(waits.cancelled() ? 1 : 0);
    SUCCEED();
  });
}

TEST(Latch, MayGoWhenTheWaitIsOver) {
  for (int i = 0; i < 200; ++i) {
    auto latch = std::make_unique<weft::Latch>(2);
    std::vector<std::jthread> threads;
    for (int k = 0; k < 2; ++k) threads.emplace_back([&shared = *latch] { shared.count_down(); });
    latch->wait();
    latch.reset();
  }
}

}  // namespace
