// Goal: what a waiter is given (a permit, a fair or a shared mutex, a notification) is used, or
// goes on to the next, also when the waiter is cancelled at that moment; nobody waits while there
// is something to be had. Method: the primitives of sync/, over model threads, which wait as plain
// threads do.

#include <gtest/gtest.h>
#include <weft/condition_variable.h>
#include <weft/error.h>
#include <weft/fair_mutex.h>
#include <weft/semaphore.h>
#include <weft/shared_mutex.h>

#include <mutex>

#include "proof.h"
#include "waits.h"

namespace {

using model::Model;
using model::require;
using Threads = std::vector<std::function<void()>>;

/// At any moment: while it waits, or has just been given what it waits for, or before its first
/// wait.
void cancel(int thread) {
  weft::detail::Fiber& fiber = model::fiber_of(thread);
  while (!weft::detail::cancel(fiber, fiber.word.current_epoch())) {
  }
}

class Holders : public Model {
 protected:
  explicit Holders(int threads) { model::reset_waits(threads); }

  template <class Enter, class Leave>
  void hold(Enter&& enter, Leave&& leave) {
    try {
      enter();
    } catch (const weft::Cancelled&) {
      ++cancelled;
      return;
    }
    require(!held.get(), "one holds it at a time");
    held.set(true);
    model::step("holds it");
    held.set(false);
    ++holds;
    leave();
  }

  model::Plain<bool> held{false};
  int holds = 0, cancelled = 0;
};

// One permit; one of three is cancelled.
struct OnePermit : Holders {
  OnePermit() : Holders(4) {}
  void hold_permit() {
    hold([this] { semaphore.acquire(); }, [this] { semaphore.release(); });
  }
  Threads threads() override {
    return {[this] { hold_permit(); }, [this] { hold_permit(); }, [this] { hold_permit(); },
            [] { cancel(1); }};
  }
  void at_end() override {
    require(holds + cancelled == 3 && cancelled <= 1, "all others had it");
    require(semaphore.try_acquire() && !semaphore.try_acquire(), "there is one permit again");
  }
  weft::Semaphore semaphore{1};
};
TEST(PermitsModel, ASemaphoreWithACancelledWaiter) {
  support::expect_proven<OnePermit>({.preemptions = 2, .delays = 0});
}

// Two at once for two that wait, one of which is cancelled.
struct TwoPermits : Model {
  TwoPermits() { model::reset_waits(4); }
  void take() {
    try {
      semaphore.acquire();
      ++taken;
    } catch (const weft::Cancelled&) {
      ++cancelled;
    }
  }
  Threads threads() override {
    return {[this] { take(); }, [this] { take(); }, [this] { semaphore.release(2); },
            [] { cancel(0); }};
  }
  void at_end() override {
    require(taken + cancelled == 2 && cancelled <= 1, "there is one for each");
    for (int left = 2 - taken; left > 0; --left) require(semaphore.try_acquire(), "none is lost");
    require(!semaphore.try_acquire(), "and none is made");
  }
  weft::Semaphore semaphore{0};
  int taken = 0, cancelled = 0;
};
TEST(PermitsModel, ReleasedTwoAtOnce) {
  support::expect_proven<TwoPermits>({.preemptions = 2, .delays = 0});
}

// With stores that show late.
struct TwoHolders : Holders {
  TwoHolders() : Holders(2) {}
  Threads threads() override {
    const auto both = [this] {
      hold([this] { semaphore.acquire(); }, [this] { semaphore.release(); });
    };
    return {both, both};
  }
  void at_end() override { require(holds == 2, "both had it"); }
  weft::Semaphore semaphore{1};
};
TEST(PermitsModel, ASemaphoreOrdersWhatItsHoldersDo) {
  support::expect_proven<TwoHolders>({.preemptions = 3});
}

template <class M>
struct HandedOver : Holders {
  HandedOver() : Holders(4) {}
  void hold_mutex() {
    hold([this] { mutex.lock(); }, [this] { mutex.unlock(); });
  }
  Threads threads() override {
    return {[this] { hold_mutex(); }, [this] { hold_mutex(); }, [this] { hold_mutex(); },
            [] { cancel(1); }};
  }
  void at_end() override {
    require(holds + cancelled == 3 && cancelled <= 1, "all others had it");
    require(mutex.try_lock(), "it is free again");
    mutex.unlock();
  }
  M mutex;
};
TEST(PermitsModel, AFairMutexWithACancelledWaiter) {
  support::expect_proven<HandedOver<weft::FairMutex>>({.preemptions = 2, .delays = 0});
}
TEST(PermitsModel, ASharedMutexWithACancelledWriter) {
  support::expect_proven<HandedOver<weft::SharedMutex>>({.preemptions = 2, .delays = 0});
}

// A writer that is cancelled has kept a reader behind it, for which another reader waits.
struct ReadersAndWriter : Model {
  ReadersAndWriter() { model::reset_waits(4); }
  template <class Meanwhile>
  void read(Meanwhile&& meanwhile) {
    mutex.lock_shared();
    require(!writing.get(), "nobody writes meanwhile");
    meanwhile();
    require(!writing.get(), "nor after that");
    ++reads;
    mutex.unlock_shared();
  }
  void write() {
    try {
      mutex.lock();
    } catch (const weft::Cancelled&) {
      ++cancelled;
      return;
    }
    writing.set(true);
    model::step("writes");
    writing.set(false);
    ++writes;
    mutex.unlock();
  }
  Threads threads() override {
    return {[this] { read([this] { second.acquire(); }); }, [this] { write(); },
            [this] { read([this] { second.release(); }); }, [] { cancel(1); }};
  }
  void at_end() override {
    require(reads == 2 && writes + cancelled == 1, "all have had their turn");
    require(mutex.try_lock(), "it is free again");
    mutex.unlock();
  }
  weft::SharedMutex mutex;
  weft::Semaphore second{0};  // has been let in
  model::Plain<bool> writing{false};
  int reads = 0, writes = 0, cancelled = 0;
};
TEST(PermitsModel, AWriterBetweenReadersIsCancelled) {
  support::expect_proven<ReadersAndWriter>({.preemptions = 2, .delays = 0});
}

// One notification for two that wait; the first passes it on, also when it is cancelled.
struct OneNotification : Model {
  OneNotification() { model::reset_waits(4); }
  void wait(bool takes) {
    std::unique_lock lock(mutex);
    while (tokens.get() == 0) {
      try {
        changed.wait(lock);
      } catch (const weft::Cancelled&) {
        require(lock.owns_lock(), "it is locked again, however the wait ends");
        throw;
      }
    }
    ++woken;
    if (takes) {
      tokens.set(0);
    } else {
      changed.notify_one();
    }
  }
  void give() {
    {
      const std::lock_guard lock(mutex);
      tokens.set(1);
    }
    changed.notify_one();
  }
  Threads threads() override {
    return {[this] {
              try {
                wait(false);
              } catch (const weft::Cancelled&) {
                ++cancelled;
              }
            },
            [this] { wait(true); }, [this] { give(); }, [] { cancel(0); }};
  }
  void at_end() override {
    require(woken >= 1 && woken + cancelled <= 2, "the one that takes it has been told");
    require(tokens.get() == 0, "and the last has taken what it was told of");
    require(mutex.try_lock(), "the mutex is free");
    mutex.unlock();
  }
  weft::FairMutex mutex;
  weft::ConditionVariable changed;
  model::Plain<int> tokens{0};
  int woken = 0, cancelled = 0;
};
TEST(PermitsModel, ANotificationOfACancelledWaiterGoesOn) {
  support::expect_proven<OneNotification>({.preemptions = 2, .delays = 0});
}

}  // namespace
