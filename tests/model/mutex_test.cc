// Goal: a mutex is held by one at a time, and every unlock finds whoever should have it next, also
// when waiters are cancelled at that moment; an event wakes all, and may go when it has. Method:
// the mutex and the event of sync/, over model threads that wait as fibers do.

#include <gtest/gtest.h>
#include <weft/error.h>
#include <weft/event.h>
#include <weft/mutex.h>

#include <optional>

#include "proof.h"
#include "waits.h"

namespace {

using model::Model;
using model::require;
using Threads = std::vector<std::function<void()>>;

class Holders : public Model {
 protected:
  explicit Holders(int threads) { model::reset_waits(threads); }

  void hold() {
    try {
      mutex.lock();
    } catch (const weft::Cancelled&) {
      ++cancelled;
      return;
    }
    require(!held.get(), "one holds it at a time");
    held.set(true);
    model::step("holds it");
    held.set(false);
    ++holds;
    mutex.unlock();
  }
  // Whenever it waits, in its first wait.
  static void cancel(int thread) { weft::detail::cancel(model::fiber_of(thread), 0); }
  void expect(int parties) {
    require(holds + cancelled == parties, "everybody had it or was cancelled");
    require(mutex.try_lock(), "it is free again");
    mutex.unlock();
  }

  weft::Mutex mutex;
  model::Plain<bool> held{false};
  int holds = 0, cancelled = 0;
};

struct ThreeHolders : Holders {
  ThreeHolders() : Holders(3) {}
  Threads threads() override {
    return {[this] { hold(); }, [this] { hold(); }, [this] { hold(); }};
  }
  void at_end() override { expect(3); }
};
TEST(MutexModel, ThreeHolders) { support::expect_proven<ThreeHolders>({.preemptions = 2}); }

// Who comes back at once overtakes the one that it has woken, and another waits behind that one.
struct Overtaken : Holders {
  Overtaken() : Holders(3) {}
  Threads threads() override {
    return {[this] {
              hold();
              hold();
            },
            [this] { hold(); }, [this] { hold(); }};
  }
  void at_end() override { expect(4); }
};
TEST(MutexModel, AWaiterThatWasWokenIsOvertaken) {
  support::expect_proven<Overtaken>({.preemptions = 2, .delays = 0});
}

// One waits, is cancelled at any moment, the wake-up for it included; the next must not be
// forgotten.
struct CancelledWaiter : Holders {
  CancelledWaiter() : Holders(4) {}
  Threads threads() override {
    return {[this] { hold(); }, [this] { hold(); }, [this] { hold(); }, [] { cancel(1); }};
  }
  void at_end() override {
    expect(3);
    require(cancelled <= 1, "only who was asked to stop is cancelled");
  }
};
TEST(MutexModel, AWaiterIsCancelled) {
  support::expect_proven<CancelledWaiter>({.preemptions = 2, .delays = 0});
}

// Time passes between the two lines of a waiter, so that unlock hands it the mutex.
struct HandedOver : Holders {
  HandedOver() : Holders(4) {}
  Threads threads() override {
    return {[this] {
              mutex.lock();
              model::step("holds it for long");
              model::set_clock(10'000'000);
              mutex.unlock();
            },
            [this] { hold(); }, [] { cancel(1); }, [this] { hold(); }};
  }
  void at_end() override { expect(2); }
};
TEST(MutexModel, AWaiterThatIsHandedItIsCancelled) {
  support::expect_proven<HandedOver>({.preemptions = 2});
}

// Whoever sees that the event is set may destroy it at once.
struct EventGoes : Model {
  EventGoes() {
    model::reset_waits(3);
    event.emplace();
  }
  Threads threads() override {
    return {[this] { pass(); }, [this] { pass(); },
            [this] {
              ready.set(true);
              event->set();
            }};
  }
  void pass() {
    event->wait();
    require(ready.get(), "what was done before set() is seen");
    if (++passed < 2) return;
    event.reset();
    model::gone(&event, sizeof event);
  }
  void at_end() override { require(passed == 2, "both have passed"); }
  std::optional<weft::Event> event;
  model::Plain<bool> ready{false};
  int passed = 0;
};
TEST(EventModel, SetWakesAllAndIsDoneWithIt) {
  support::expect_proven<EventGoes>({.preemptions = 2});
}

}  // namespace
