// Task groups within task groups, some of whose tasks fail or are stopped: every child has ended
// when its group has, and every failure is in what the group throws.

#include <atomic>
#include <exception>
#include <memory>
#include <stdexcept>

#include "soak/load.h"

namespace soak {

namespace {

/// Marks all that it holds as seen.
void see_all(Ledger& ledger, const weft::ExceptionGroup& group) {
  for (const std::exception_ptr& error : group.leaves()) {
    try {
      std::rethrow_exception(error);
    } catch (const Failure& failure) {
      failure.seen();
    } catch (const std::logic_error&) {  // the body came too late to spawn another
    } catch (...) {
      ledger.wrong("a group holds what nobody threw");
    }
  }
}

void grow(Ledger& ledger, Random random, int depth) {
  const auto live = std::make_shared<std::atomic<int>>(0);
  try {
    weft::task_group([&](weft::TaskGroup& group) {
      for (int child = 1 + random.below(4); child > 0; --child) {
        group.spawn(counted(ledger, [&ledger, live, depth, random = random.split()]() mutable {
          ++*live;
          struct Leave {
            std::atomic<int>& count;
            ~Leave() { --count; }
          } leave{*live};
          if (depth > 0) grow(ledger, random.split(), depth - 1);
          if (random.one_in(2)) weft::sleep_for(some_micros(random, 200));
          if (random.one_in(8)) fail(ledger);
        }));
      }
      if (random.one_in(2)) weft::sleep_for(some_micros(random, 300));
      if (random.one_in(16)) fail(ledger);
    });
  } catch (const weft::ExceptionGroup& errors) {
    see_all(ledger, errors);
  }
  ledger.expect(*live == 0, "a group has ended before its children");
}

}  // namespace

void groups(Scene& scene) {
  Ledger& ledger = scene.ledger;
  for (int turn = 0; turn < scaled(40); ++turn) {
    auto tree = start(ledger, [&ledger, random = scene.random.split()]() mutable {
      grow(ledger, random.split(), 3);
    });
    if (scene.random.one_in(3)) {
      weft::sleep_for(some_micros(scene.random, 400));
      tree.cancel();
    }
    see(ledger, tree);
  }
}

}  // namespace soak
