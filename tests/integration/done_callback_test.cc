// Goal: a done callback is called once, after the end of its task, in order, unless it is removed.
// Method: callbacks added before, after and at the time of the end.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/live_count.h"
#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using support::Arrivals;

TEST(DoneCallback, SeesTheTaskThatHasEnded) {
  weft::run([] {
    Arrivals called(3);
    weft::Task<int> value = weft::spawn([] { return 4; });
    value.add_done_callback([&](const weft::Task<int>& task) {
      EXPECT_TRUE(task.done());
      EXPECT_EQ(weft::Task<int>(task).get(), 4);
      called.arrive();
    });
    weft::Task<void> failed = weft::spawn([] { throw std::runtime_error("failed"); });
    failed.add_done_callback([&](const weft::Task<void>& task) {
      EXPECT_EQ(support::text_of(task.exception()), "failed");
      called.arrive();
    });
    weft::Task<void> stopped = weft::spawn([] { support::sleep_forever(); });
    stopped.add_done_callback([&](const weft::Task<void>& task) {
      EXPECT_TRUE(task.cancelled());
      called.arrive();
    });
    stopped.cancel();
    called.wait();
  });
}

TEST(DoneCallback, IsCalledSoonWhenTheTaskHasEnded) {
  weft::run([] {
    weft::Task<void> task = weft::spawn([] {});
    task.join();
    weft::Event called;
    const auto caller = weft::this_task::id();
    task.add_done_callback([&](const weft::Task<void>&) {
      EXPECT_NE(weft::this_task::id(), caller);
      called.set();
    });
    called.wait();
  });
}

TEST(DoneCallback, StartsInTheOrderOfAdding) {
  weft::run(weft::Options{.workers = 1}, [] {
    for (const bool ended : {false, true}) {
      weft::Task<void> task = weft::spawn([] { weft::yield(); });
      if (ended) task.join();
      std::vector<int> order;
      for (int i = 0; i < 5; ++i) {
        task.add_done_callback([&, i](const weft::Task<void>&) { order.push_back(i); });
      }
      while (order.size() < 5) weft::yield();
      EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4})) << (ended ? "ended" : "running");
    }
  });
}

TEST(DoneCallback, ThatIsRemovedIsNotCalled) {
  std::atomic<int> calls{0};
  weft::run([&] {
    weft::Event go;
    weft::Task<void> task = weft::spawn([&] { go.wait(); });
    const auto count = [&](const weft::Task<void>&) { ++calls; };
    task.add_done_callback(count);
    weft::DoneCallback removed = task.add_done_callback(count);
    weft::Event last;
    weft::DoneCallback kept = task.add_done_callback([&](const weft::Task<void>&) { last.set(); });
    EXPECT_TRUE(removed.remove());
    EXPECT_FALSE(removed.remove());
    EXPECT_FALSE(weft::DoneCallback().remove());
    go.set();
    last.wait();
    EXPECT_FALSE(kept.remove());
    while (calls == 0) weft::yield();  // it need not come before the last, with other workers
  });
  EXPECT_EQ(calls, 1);
}

TEST(DoneCallback, ReportsWhatItThrows) {
  support::LostExceptionLog log;
  weft::run(weft::Options{.on_lost_exception = log.handler()}, [] {
    weft::Task<void> task = weft::spawn([] {});
    task.add_done_callback([](const weft::Task<void>&) { throw std::runtime_error("callback"); });
    task.get();
  });
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(support::text_of(log.entries()[0].exception), "callback");
  EXPECT_NE(std::string(log.entries()[0].site.file).find("done_callback_test"), std::string::npos);
}

TEST(DoneCallback, IsCalledAtTheEndOfTheRuntimeToo) {
  std::atomic<int> calls{0};
  weft::run([&] {
    for (int i = 0; i < 10; ++i) {
      weft::spawn([] {
        support::sleep_forever();
      }).add_done_callback([&](const weft::Task<void>& task) {
        weft::yield();  // which is not cancelled
        if (task.cancelled()) ++calls;
      });
    }
  });
  EXPECT_EQ(calls, 10);
}

TEST(DoneCallback, IsNoTaskOfTheUsersUntilItIsCalled) {
  weft::run([] {
    weft::Event go;
    weft::Task<void> task = weft::spawn([&] { go.wait(); });
    task.add_done_callback([](const weft::Task<void>&) {});
    EXPECT_EQ(weft::all_tasks().size(), 2u);
    go.set();
    task.join();
  });
}

TEST(DoneCallback, KeepsNothingAfterwards) {
  support::LiveCount live;
  weft::run([&] {
    weft::Event go;
    weft::Task<void> task = weft::spawn([&] { go.wait(); });
    task.add_done_callback([token = live.token()](const weft::Task<void>&) {});
    weft::DoneCallback removed =
        task.add_done_callback([token = live.token()](const weft::Task<void>&) {});
    EXPECT_EQ(live.alive(), 2);
    removed.remove();
    go.set();
    task.join();
    while (live.alive() > 0) weft::yield();
  });
}

TEST(DoneCallback, NeedsAFiber) {
  weft::Runtime runtime;
  const weft::Task<void> task = runtime.post([] {});
  EXPECT_THROW(task.add_done_callback([](const weft::Task<void>&) {}), std::logic_error);
}

TEST(DoneCallback, NeedsATask) {
  weft::run([] {
    const weft::Task<void> none;
    EXPECT_THROW(none.add_done_callback([](const weft::Task<void>&) {}), std::invalid_argument);
  });
}

TEST(DoneCallback, RacesWithTheEndOnAllWorkers) {
  weft::run([] {
    for (int round = 0; round < 300; ++round) {
      Arrivals called(3);
      weft::Task<int> task = weft::spawn([] { return 1; });
      for (int i = 0; i < 3; ++i) {
        task.add_done_callback([&](const weft::Task<int>& ended) {
          EXPECT_TRUE(ended.done());
          called.arrive();
        });
      }
      called.wait();
    }
  });
}

}  // namespace
