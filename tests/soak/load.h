#pragma once

// A load is one kind of work. It runs as a fiber of the round's runtime, beside others, ends by
// itself, and writes into its ledger what it started and what came of it. A new one is a file in
// loads/ and a line in loads.cc.

#include <weft/weft.h>

#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "soak/ledger.h"
#include "support/build_kind.h"
#include "support/seed.h"
#include "support/task_steps.h"

namespace soak {

using support::Random;
using support::scaled;
using Micros = std::chrono::microseconds;

struct Scene {
  Ledger& ledger;
  weft::Runtime& runtime;
  Random random;
};

struct Load {
  const char* name;
  void (*run)(Scene& scene);
  /// How many of it may run side by side.
  int most_copies = 3;
};

std::span<const Load> all_loads() noexcept;

inline Micros some_micros(Random& random, int most) { return Micros(random.below(most)); }

/// `body` as a callable whose life is in the books.
template <class F>
auto counted(Ledger& ledger, F body) {
  return [token = Ledger::Token(ledger, Book::kTasks), body = std::move(body)]() mutable {
    return body();
  };
}

/// A task whose end will be seen.
template <class F>
auto start(Ledger& ledger, F body, const weft::SpawnOptions& options = {}) {
  auto task = weft::spawn(options, counted(ledger, std::move(body)));
  ledger.in(Book::kOutcomes);
  return task;
}

enum class End { kValue, kFailure, kCancelled };

/// Waits for a task that start() made, once, and sees how it ended.
template <class T>
End see(Ledger& ledger, weft::Task<T>& task) {
  End end = End::kValue;
  try {
    task.get();
  } catch (const Failure& failure) {
    failure.seen();
    end = End::kFailure;
  } catch (const weft::Cancelled&) {
    end = End::kCancelled;
  }
  ledger.out(Book::kOutcomes);
  return end;
}

/// A plain thread that a fiber waits for.
class PlainThread {
 public:
  template <class F>
  explicit PlainThread(F body)
      : thread_([this, body = std::move(body)]() mutable {
          body();
          over_.set();
        }) {}
  /// Suspends, and then blocks for the moment that the thread needs to leave.
  void join() {
    over_.wait();
    thread_.join();
  }

 private:
  weft::Event over_;
  std::thread thread_;
};

// The loads, one a file.
void spawn_tree(Scene& scene);
void groups(Scene& scene);
void gathers(Scene& scene);
void timeouts(Scene& scene);
void cancel_storm(Scene& scene);
void locks(Scene& scene);
void permits(Scene& scene);
void channels(Scene& scene);
void events(Scene& scene);
void sleepers(Scene& scene);
void offload(Scene& scene);
void outsiders(Scene& scene);
void exceptions(Scene& scene);
void parked(Scene& scene);
void leftovers(Scene& scene);
void neighbours(Scene& scene);
void echo(Scene& scene);
void rough_peers(Scene& scene);
void serving(Scene& scene);

}  // namespace soak
