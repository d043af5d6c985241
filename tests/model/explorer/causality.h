#pragma once

// Who may rely on having seen what: vector clocks, as FastTrack keeps them (Flanagan and Freund,
// 2009). A release makes an atomic carry its thread's clock, and an acquire that reads it joins
// that clock; a relaxed store carries none. Plain data that two threads touch must be ordered by
// such a pair, whatever the order in which this run happened to go: so a missing acquire or release
// is found on a machine, and in a model, that would never show its effect.

#include <atomic>
#include <cstddef>
#include <map>
#include <vector>

namespace model {

class Causality {
 public:
  /// For each thread, how many of its releases have been seen.
  using Clock = std::vector<long>;

  /// Of one piece of plain data: when each thread last read and wrote it.
  struct Accesses {
    Clock reads, writes;
  };

  void start(std::size_t threads);

  /// What a store by `thread` will carry once it is visible.
  Clock carried(int thread, std::memory_order order);
  void stored(const void* address, Clock clock) { carried_[address] = std::move(clock); }
  void loaded(int thread, const void* address, std::memory_order order);
  /// A read-modify-write that wrote: what was carried before stays carried (a release sequence).
  void updated(int thread, const void* address, std::memory_order order);

  /// A barrier on all threads at once.
  void join_all();

  /// False: an access that this one conflicts with has not been seen by its thread.
  bool read(int thread, Accesses& data);
  bool write(int thread, Accesses& data);

 private:
  Clock& clock_of(int thread) { return clocks_[static_cast<std::size_t>(thread)]; }
  bool has_seen(int thread, const Clock& accesses);
  static void join(Clock& clock, const Clock& other);

  std::vector<Clock> clocks_;
  std::map<const void*, Clock> carried_;
};

}  // namespace model
