// Goal: a call on the pool is over, or will never begin, when the wait for it ends; so it may use
// what belongs to the fiber. Method: calls that the test holds up, on a pool of one thread.

#include "io/pool_call.h"

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <stdexcept>

#include "support/tcp.h"

namespace weft::detail {
namespace {

using support::until;

// A call that begins, and ends when it is told to.
struct HeldCall {
  std::atomic<bool> begun{false}, ended{false};
  Event go_on;

  void make(Cancellable cancellable = Cancellable::kYes) {
    on_pool(
        [this]() noexcept {
          begun = true;
          go_on.wait();
          ended = true;
        },
        cancellable);
  }
};

template <class F>
void run_with_one_thread(F&& body) {
  Options options;
  options.blocking_threads = 1;
  run(options, std::forward<F>(body));
}

TEST(PoolCall, HasBeenMadeWhenItReturns) {
  run_with_one_thread([] {
    for (int i = 0; i < 1000; ++i) {
      int result = 0;
      on_pool([&]() noexcept { result = i + 1; });
      ASSERT_EQ(result, i + 1);
    }
  });
}

TEST(PoolCall, CancelledBeforeItBegins_IsNeverMade) {
  run_with_one_thread([] {
    HeldCall first;
    Task<void> busy = spawn([&] { first.make(); });
    until([&] { return first.begun.load(); });
    std::atomic<bool> made{false};
    Task<void> queued = spawn([&] { on_pool([&]() noexcept { made = true; }); });
    sleep_for(std::chrono::milliseconds(1));
    queued.cancel();
    EXPECT_THROW(queued.get(), Cancelled);
    first.go_on.set();
    busy.get();
    on_pool([]() noexcept {});  // behind it in the queue
    EXPECT_FALSE(made);
  });
}

TEST(PoolCall, CancelledOnceItHasBegun_IsWaitedFor) {
  run_with_one_thread([] {
    HeldCall call;
    Task<void> caller = spawn([&] { call.make(); });
    until([&] { return call.begun.load(); });
    for (int again = 0; again < 3; ++again) {
      caller.cancel();
      sleep_for(std::chrono::milliseconds(1));
      EXPECT_FALSE(caller.done());
    }
    call.go_on.set();
    EXPECT_THROW(caller.get(), Cancelled);
    EXPECT_TRUE(call.ended);
  });
}

TEST(PoolCall, MayRefuseToBeCancelled) {
  run_with_one_thread([] {
    HeldCall call;
    bool returned = false;
    Task<void> caller = spawn([&] {
      call.make(Cancellable::kNo);
      returned = true;
      EXPECT_THROW(yield(), Cancelled);  // there it is told
    });
    until([&] { return call.begun.load(); });
    caller.cancel();
    sleep_for(std::chrono::milliseconds(1));
    call.go_on.set();
    caller.get();
    EXPECT_TRUE(returned);
  });
}

TEST(PoolCall, NeedsAFiber) {
  EXPECT_THROW(on_pool([]() noexcept {}), std::logic_error);
}

}  // namespace
}  // namespace weft::detail
