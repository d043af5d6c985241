// Goal: a wait is ended by exactly one of those that try, the owner is resumed exactly once and
// only after its context is saved, and no request to cancel falls between. The owner follows the
// recipe of sched/wait.h: note, save, publish, and only then let go of the lock.

#include <gtest/gtest.h>

#include <mutex>

#include "base/spinlock.h"
#include "fiber/wait_word.h"
#include "proof.h"

namespace {

using model::Model;
using model::require;
using weft::detail::Atomic;
using weft::detail::Cancellable;
using weft::detail::Epoch;
using weft::detail::Spinlock;
using weft::detail::WaitWord;
using weft::detail::Wake;
using Threads = std::vector<std::function<void()>>;

class Waits : public Model {
 protected:
  // The owner's side of one wait.
  Wake wait(Cancellable cancellable) {
    lock.lock();
    noted.set(true);
    token.set(word.epoch());
    saved.set(true);
    model::step("context is saved");
    const bool sleeps = word.publish(cancellable);
    lock.unlock();  // as `arm` does
    if (sleeps) {
      while (resumed.load() == 0) weft::detail::futex_wait(resumed, 0);
      resumed.store(0);
    } else {
      ++ended;
    }
    saved.set(false);
    require(ended == 1, "a wait is ended once");
    ended = 0;
    const std::lock_guard guard(lock);
    noted.set(false);
    return word.reason();
  }

  // A waker that finds the note ends the wait, or somebody else has.
  void wake_noted() {
    lock.lock();
    const bool found = noted.get();
    noted.set(false);
    const Epoch epoch = token.get();
    lock.unlock();
    if (!found) return;
    if (word.wake(epoch, Wake::kNormal)) resume();
  }
  // Timers and cancellations need no lock.
  void time_out(Epoch epoch) {
    if (word.wake(epoch, Wake::kTimeout)) resume();
  }
  void cancel(Epoch epoch) {
    switch (word.cancel(epoch)) {
      case WaitWord::Cancel::kWoken:
        delivered = true;
        resume();
        break;
      case WaitWord::Cancel::kPending:
        pending = true;
        break;
      case WaitWord::Cancel::kStale:
        break;
    }
  }
  void resume() {
    require(saved.get(), "whoever resumes the owner finds its context");
    require(++ended == 1, "a wait is ended once");
    resumed.store(1);
    weft::detail::futex_wake(resumed, 1);
  }

  Spinlock lock;
  WaitWord word;
  model::Plain<bool> noted{false};  // under lock
  model::Plain<Epoch> token{0};     // under lock
  model::Plain<bool> saved{false};
  int ended = 0;
  bool delivered = false, pending = false;
  Atomic<std::uint32_t> resumed{0};
};

// Wakes until it has met the note, as a primitive does that has something to give.
struct WakeTimeoutCancel : Waits {
  Threads threads() override {
    return {[this] { reason = wait(Cancellable::kYes); },
            [this] {
              while (!done()) {
                wake_noted();
                weft::detail::cpu_relax();
              }
            },
            [this] { time_out(0); }, [this] { cancel(0); }};
  }
  bool done() const { return word.current_epoch() != 0; }
  void at_end() override {
    require(word.epoch() == 1, "one wait, one epoch");
    require(!delivered || reason == Wake::kCancelled, "what was delivered is told");
    // A request that came before the wait, or after another had ended it, is either told or
    // pending.
    if (pending) require(word.cancel_pending() || reason == Wake::kCancelled, "no request is lost");
  }
  Wake reason = Wake::kNormal;
};
TEST(WaitWordModel, WakeAgainstTimeoutAgainstCancel) {
  support::expect_proven<WakeTimeoutCancel>({.preemptions = 2});
}

// Nobody but the one who cancels: a request that fell between the look and the sleep would hang.
struct CancelEndsIt : Waits {
  Threads threads() override {
    return {[this] { reason = wait(Cancellable::kYes); }, [this] { cancel(0); }};
  }
  void at_end() override { require(reason == Wake::kCancelled, "the wait ends by the request"); }
  Wake reason = Wake::kNormal;
};
TEST(WaitWordModel, ARequestBeforeOrDuringTheWaitEndsIt) {
  support::expect_proven<CancelEndsIt>({.preemptions = 4, .delays = 2});
}

// Masked: the request stays for the next wait, which it ends.
struct CancelOfAMaskedWait : Waits {
  Threads threads() override {
    return {[this] {
              first = wait(Cancellable::kNo);
              second = wait(Cancellable::kYes);
            },
            [this] {
              while (word.current_epoch() < 2) {
                wake_noted();
                weft::detail::cpu_relax();
              }
            },
            [this] { cancel(0); }};
  }
  void at_end() override {
    require(first == Wake::kNormal, "a masked wait is not cancelled");
    require(!pending || second == Wake::kCancelled, "a request that came before ends the next");
  }
  Wake first = Wake::kTimeout, second = Wake::kNormal;
};
TEST(WaitWordModel, ARequestDuringAMaskedWaitIsKept) {
  support::expect_proven<CancelOfAMaskedWait>({.preemptions = 2, .delays = 0});
}

// A token of a wait that is over ends neither the next wait nor that of the descriptor's next user.
struct LateTokens : Waits {
  Threads threads() override {
    return {[this] {
              wait(Cancellable::kYes);
              word.reset();
              require(wait(Cancellable::kYes) == Wake::kNormal, "only its own waker ends it");
            },
            [this] {
              while (word.current_epoch() < 3) {
                wake_noted();
                weft::detail::cpu_relax();
              }
            },
            [this] { time_out(1); }, [this] { time_out(0); }};
  }
};
TEST(WaitWordModel, LateTokensDoNoHarm) {
  support::expect_proven<LateTokens>({.preemptions = 2, .delays = 0});
}

// A time limit takes its own request back at the end of its scope, with what is pending of it.
struct OwnRequestIsTakenBack : Waits {
  Threads threads() override {
    word.cancel(word.current_epoch());
    return {[this] { word.uncancel_and_drop_if([](unsigned others) { return others == 0; }); },
            [this] { word.cancel(word.current_epoch()); },
            [this] { word.cancel(word.current_epoch()); }};
  }
  void at_end() override {
    require(word.requests() == 2, "one of three is taken back");
    require(word.cancel_pending(), "who asks meanwhile is heard");
  }
};
TEST(WaitWordModel, WhoAsksWhileAnOwnRequestIsTakenBackIsHeard) {
  support::expect_proven<OwnRequestIsTakenBack>({.preemptions = 2, .delays = 0});
}

}  // namespace
