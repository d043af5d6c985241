// Goal: whoever waits for a task learns of its end, sees what it did, and may drop its handle at
// once; the body is destroyed by one, when the task has ended and nobody has a handle; a waiter
// that is cancelled leaves nothing of its own behind. Method: the end of a task, over model threads
// that wait as fibers do.

#include <gtest/gtest.h>

#include <optional>

#include "proof.h"
#include "task/task_end.h"
#include "waits.h"

namespace {

using model::Model;
using model::require;
using weft::detail::CompletionHook;
using weft::detail::TaskEnd;
using weft::detail::TaskOutcome;
using weft::detail::Wake;
using weft::detail::WakeToken;
using Threads = std::vector<std::function<void()>>;

struct Hook : CompletionHook {
  explicit Hook(WakeToken waiter)
      : CompletionHook([](CompletionHook& hook, TaskOutcome outcome) noexcept {
          require(outcome == TaskOutcome::kValue, "the outcome is told");
          Hook& self = static_cast<Hook&>(hook);
          self.told = true;
          return self.token;
        }),
        token(waiter) {}
  WakeToken token;
  bool told = false;
};

class Task : public Model {
 protected:
  Task(int threads, int with_handles) : handles(with_handles) {
    model::reset_waits(threads);
    end.emplace();
  }

  void run() {
    result.set(7);
    const bool detached =
        end->finish(TaskOutcome::kValue, [](const WakeToken& token) { wake(token); });
    if (detached) destroy();
  }
  void drop() {
    if (handles.fetch_sub(1) == 1 && end->detach()) destroy();
  }
  // Joins, and drops its handle.
  void join() {
    {
      Hook hook(weft::detail::current_token());
      if (end->add_locked(hook)) {
        const Wake reason = weft::detail::suspend(
            [](void* task) noexcept { static_cast<TaskEnd*>(task)->unlock(); }, &*end);
        if (reason == Wake::kNormal) {
          require(hook.told, "who is woken has been told");
        } else {
          end->remove(hook);
          ++cancelled;
        }
      }
      require(!hook.linked(), "a hook is out of the list before its frame goes");
      if (end->ended()) require(result.get() == 7, "what the task did is seen");
      model::gone(&hook, sizeof hook);
    }
    drop();
  }
  // Its memory is the next task's.
  void destroy() {
    require(++destroyed == 1, "the body is destroyed once");
    require(result.get() == 7, "by who has seen what the task did");
    require(end->ended(), "and not before the task has ended");
    end.reset();
    model::gone(&end, sizeof end);
  }
  static void cancel(int thread) { weft::detail::cancel(model::fiber_of(thread), 0); }

  void at_end() override {
    require(destroyed == 1, "the body is destroyed");
    require(cancelled <= 1, "only who was asked to stop is cancelled");
  }

  std::optional<TaskEnd> end;
  model::Plain<int> result{0};
  weft::detail::Atomic<int> handles;
  int destroyed = 0, cancelled = 0;
};

struct Detached : Task {
  Detached() : Task(2, 1) {}
  Threads threads() override {
    return {[this] { run(); }, [this] { drop(); }};
  }
};
TEST(TaskEndModel, IsDetachedWhileItEnds) {
  support::expect_proven<Detached>({.preemptions = 4, .delays = 2});
}

struct TwoJoin : Task {
  TwoJoin() : Task(3, 2) {}
  Threads threads() override {
    return {[this] { run(); }, [this] { join(); }, [this] { join(); }};
  }
};
TEST(TaskEndModel, TwoWaitAndTheLastDestroys) {
  support::expect_proven<TwoJoin>({.preemptions = 2});
}

struct CancelledJoin : Task {
  CancelledJoin() : Task(3, 1) {}
  Threads threads() override {
    return {[this] { run(); }, [this] { join(); }, [] { cancel(1); }};
  }
};
TEST(TaskEndModel, AWaiterIsCancelled) {
  support::expect_proven<CancelledJoin>({.preemptions = 3});
}

// The one that is cancelled must not be told when it has gone, nor keep the other from being told.
struct OneOfTwoIsCancelled : Task {
  OneOfTwoIsCancelled() : Task(4, 2) {}
  Threads threads() override {
    return {[this] { run(); }, [this] { join(); }, [this] { join(); }, [] { cancel(1); }};
  }
};
TEST(TaskEndModel, OneOfTwoWaitersIsCancelled) {
  support::expect_proven<OneOfTwoIsCancelled>({.preemptions = 2, .delays = 0});
}

// ---- A wait that its worker holds back, as in sched/switch.cc: it ends the wait itself before it
// goes on with it, or shows it to the task; unless who cancels has been quicker.
struct Held : Task {
  explicit Held(bool child_stops) : Task(3, 1), stops(child_stops) {}
  Threads threads() override {
    return {[this] { wait(); }, [this] { work(); }, [this] { ask_to_stop(); }};
  }

  struct Frame : Hook {
    using Hook::Hook;
    model::Plain<bool> is_there{true};
  };
  void wait() {
    Frame frame(weft::detail::current_token());
    hook = &frame;
    const bool sleeps = word().publish(weft::detail::Cancellable::kYes);
    held.store(sleeps ? 1 : 2);
    if (sleeps) {
      while (resumed.load() == 0) weft::detail::cpu_relax();
      require(resumed.load() == 1, "who waits is resumed once");
    }
    if (word().reason() != Wake::kNormal) {
      end->remove(frame);
      ++cancelled;
    } else {
      require(end->ended() && result.get() == 7, "who is woken sees what the task did");
    }
    require(!frame.linked(), "a hook is out of the list before its frame goes");
    frame.is_there.set(false);
    ended.store(1);
  }
  // The worker that has the task to run.
  void work() {
    while (held.load() == 0) weft::detail::cpu_relax();
    bool holds = held.load() == 1;
    if (holds && stops) {
      show();
      holds = false;
    }
    result.set(7);
    end->finish(TaskOutcome::kValue, [this](const WakeToken& token) {
      if (token.fiber->word.wake(token.epoch, Wake::kNormal)) resume();
    });
    if (holds && word().wake(0, Wake::kNormal)) resume();
    // The handle is that of who waits.
    while (ended.load() == 0) weft::detail::cpu_relax();
    drop();
  }
  void show() {
    if (!word().wake(0, Wake::kNormal)) return;
    require(hook->is_there.get(), "what it waits in is there");
    hook->token.epoch = word().epoch();
    const bool begun = end->add_locked(*hook);
    const bool sleeps = begun && word().publish(weft::detail::Cancellable::kYes);
    if (begun) end->unlock();
    if (!sleeps) resume();
  }
  void ask_to_stop() {
    for (;;) {
      const auto outcome = word().cancel(word().current_epoch());
      if (outcome == weft::detail::WaitWord::Cancel::kWoken) resume();
      if (outcome != weft::detail::WaitWord::Cancel::kStale) return;
    }
  }
  void resume() { resumed.fetch_add(1); }
  static weft::detail::WaitWord& word() { return model::fiber_of(0).word; }

  const bool stops;
  Frame* hook = nullptr;
  weft::detail::Atomic<int> held{0}, resumed{0}, ended{0};
};
TEST(TaskEndModel, AWaitThatIsHeldBackEndsOnce) {
  support::expect_proven<Held>({.preemptions = 3}, false);
  support::expect_proven<Held>({.preemptions = 2}, true);
}

}  // namespace
