#pragma once

// Runs a small concurrent program in every order that matters, up to stated bounds, and then in
// random ones.
//
// Model threads are fibers on one OS thread. Each atomic operation is a decision: which thread goes
// next, whether a store becomes visible at once or later, whether a sleep with a deadline times
// out. A run is the list of its decisions, so it can be repeated exactly. Depth-first search goes
// through all lists within the bounds: a preemption (another thread goes on although the current
// one could), a delay (a store that stays in its thread's buffer) and a surprise (a time-out) are
// each counted. After that come random runs by the PCT method: threads have random priorities, and
// at a few random points the first one becomes the last (Burckhardt and others, "A Randomized
// Scheduler with Probabilistic Guarantees of Finding Bugs").
//
// The memory. A store goes to the thread's own buffer first when it is delayed; its thread sees it,
// the others do not. Buffers are emptied in order, but a relaxed store may overtake others. A
// seq_cst store and a releasing read-modify-write wait until the buffer is empty. So a store that
// lacks its release, and a store and a load that lack the barrier between them, are found. A load
// always sees the newest visible value, so a load that lacks its acquire shows in no value; but it
// shows in what the thread may rely on (causality.h), where the model says what its atomics hand
// over: Plain.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "explorer/causality.h"

namespace model {

/// One small program, made afresh for each run.
class Model {
 public:
  virtual ~Model() = default;
  virtual std::vector<std::function<void()>> threads() = 0;
  /// When all threads have ended: nothing is lost, nothing is left.
  virtual void at_end() {}
};
using Maker = std::function<std::unique_ptr<Model>()>;

struct Plan {
  int preemptions = 2;
  int delays = 1;
  int surprises = 1;
  std::size_t most_buffered = 64;  ///< Stores of a thread that wait to become visible.
  long most_runs = 3'000'000;      ///< Of the search; `complete` says whether that was enough.
  long random_runs = 2'000;
  int most_steps = 2'000;  ///< A run that is longer is taken for one that never ends.
};

struct Result {
  bool failed = false;
  bool complete = false;
  long runs = 0;
  long steps = 0;
  long random_runs = 0;
  std::string report;  ///< Of the failure: what, how to repeat it, and the steps as a table.
};

/// Until the first failure. With WEFT_SEED (what a report names) only that run.
Result explore(const Plan& plan, const Maker& make);

/// By a model's threads and at_end(): what must hold here.
void require(bool holds, const char* what);

/// From here on nobody may touch an atomic in these bytes: what they belonged to is destroyed.
void gone(const void* begin, std::size_t size);

/// What stands for the thread-locals of the thread that runs; null at first.
void*& local();

/// A point at which others may run.
void step(const char* what);

/// Whether something unlikely happens here, such as a queue that seems empty and is not. Costs a
/// surprise.
bool surprise(const char* what);

void note_read(Causality::Accesses& data);
void note_write(Causality::Accesses& data);

/// Plain data that threads hand to each other by means of atomics. A run fails if an access is not
/// ordered, by acquire and release, after those of others that it conflicts with.
template <class T>
class Plain {
 public:
  Plain() = default;
  explicit Plain(T value) : value_(value) {}
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;

  T get() const {
    note_read(accesses_);
    return value_;
  }
  void set(T value) {
    note_write(accesses_);
    value_ = value;
  }

 private:
  T value_{};
  mutable Causality::Accesses accesses_;
};

}  // namespace model
