#pragma once

// Fibers as the scheduler sees them: made by hand, without the task layer.

#include <functional>
#include <latch>
#include <memory>
#include <new>
#include <utility>

#include "base/assert.h"
#include "fiber/fiber_pool.h"
#include "sched/scheduler.h"
#include "sched/worker.h"
#include "support/fake_driver.h"

namespace support {

struct BareBody {
  std::function<void()> run;
  std::function<void()> no_stack;
};

namespace bare {

inline BareBody take_body(weft::detail::Fiber& fiber) noexcept {
  auto* const stored = std::launder(reinterpret_cast<BareBody*>(fiber.local));
  BareBody body = std::move(*stored);
  stored->~BareBody();
  return body;
}
inline void run(weft::detail::Fiber& fiber) noexcept { take_body(fiber).run(); }
inline void no_stack(weft::detail::Fiber& fiber) noexcept {
  const BareBody body = take_body(fiber);
  WEFT_ASSERT(body.no_stack != nullptr, "the test has memory for its stacks");
  body.no_stack();
}
inline constexpr weft::detail::FiberCode kCode{&run, &no_stack};

}  // namespace bare

/// A fiber that will run `body.run` and is freed when it has. Nobody has a handle to it.
inline weft::detail::Fiber& make_fiber(BareBody body) {
  static_assert(sizeof(BareBody) <= weft::detail::Fiber::kLocalSize);
  weft::detail::Fiber& fiber = *weft::detail::FiberPool::instance().take(1);
  fiber.code = &bare::kCode;
  fiber.stack_class = 2;
  fiber.saved_errno = 0;
  fiber.masks = 0;
  fiber.exceptions = {};
  fiber.context = nullptr;
  fiber.pins = 0;
  fiber.home = nullptr;
  fiber.life.store(weft::detail::Life::kAbandoned);
  fiber.word.reset();
  fiber.id.store(weft::detail::next_outside_id());
  fiber.name = nullptr;
  ::new (static_cast<void*>(fiber.local)) BareBody(std::move(body));
  return fiber;
}

/// A scheduler over a fake driver.
class BareScheduler {
 public:
  explicit BareScheduler(weft::detail::SchedulerOptions options)
      : scheduler(std::move(options), driver) {}
  explicit BareScheduler(unsigned workers)
      : BareScheduler(weft::detail::SchedulerOptions{.workers = workers}) {}
  ~BareScheduler() { scheduler.cancel_all_and_wait(); }
  BareScheduler(const BareScheduler&) = delete;
  BareScheduler& operator=(const BareScheduler&) = delete;

  /// From any thread or fiber.
  weft::detail::Fiber& start(std::function<void()> run) {
    weft::detail::Fiber& fiber = make_fiber({std::move(run), nullptr});
    scheduler.start(fiber);
    return fiber;
  }
  /// A fiber that stays on one worker.
  weft::detail::Fiber& start_on(unsigned worker, std::function<void()> run) {
    weft::detail::Fiber& fiber = make_fiber({std::move(run), nullptr});
    fiber.pins = 1;
    fiber.home = &scheduler.worker(worker);
    scheduler.start(fiber);
    return fiber;
  }
  /// Runs `body` as a fiber and waits for its end, from a plain thread.
  void run(std::function<void()> body) {
    std::latch ended(1);
    start([&] {
      body();
      ended.count_down();
    });
    ended.wait();
  }
  bool all_asleep() { return scheduler.idle().awake() == 0; }

  FakeDriver driver;
  weft::detail::Scheduler scheduler;
};

/// Brings the calling fiber to another worker: it sleeps, and a fiber pinned there wakes it. A
/// thief may take it back, so this goes on until it has come.
inline void move_to(BareScheduler& scheduler, unsigned worker) {
  while (weft::detail::current_worker()->index() != worker) {
    const weft::detail::WakeToken token = weft::detail::current_token();
    scheduler.start_on(worker, [token] {
      // Until the fiber is asleep it cannot be woken.
      while (!weft::detail::wake(token)) weft::detail::yield_now();
    });
    weft::detail::suspend(nullptr, nullptr, weft::detail::Cancellable::kNo);
  }
}

/// Starts two fibers that wake each other over and over, each time into the slot that runs next,
/// until `stop` is set, and call `each_turn`. By a fiber.
inline void play_ping_pong(BareScheduler& scheduler, std::function<void()> each_turn,
                           const bool& stop) {
  struct Game {
    weft::detail::WakeToken tokens[2] = {weft::detail::current_token(),
                                         weft::detail::current_token()};
    std::function<void()> each_turn;
  };
  const auto game = std::make_shared<Game>();
  game->each_turn = std::move(each_turn);
  for (int i = 0; i < 2; ++i) {
    scheduler.start([game, i, &stop] {
      while (!stop) {
        game->each_turn();
        game->tokens[i] = weft::detail::current_token();
        weft::detail::wake(game->tokens[1 - i]);
        // Cancellable, so that the last one to sleep is not left when the other has stopped.
        if (weft::detail::suspend(nullptr, nullptr) == weft::detail::Wake::kCancelled) return;
      }
      weft::detail::wake(game->tokens[1 - i]);
    });
  }
}

}  // namespace support
