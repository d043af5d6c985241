#pragma once

// Threads that change words as those of a process do: workers, of which one may be the solo thread,
// and others. It stands for base/party.cc, whose thread-locals are those of the explorer here.

#include <weft/detail/solo.h>
#include <cstdint>

#include "base/party.h"
#include "base/worker_party.h"
#include "explorer/explorer.h"

namespace support {

/// What a process has of it. One at a time.
class House {
 public:
  House() noexcept;
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  weft::detail::Solo solo;
  weft::detail::Atomic<int> awake{0};
};

/// A thread, for as long as it is there.
class Thread {
 public:
  Thread() noexcept;
  ~Thread();
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // The thread-locals of base/party.cc.
  weft::detail::Party party = weft::detail::Party::kNewcomer;
  enum class Kind : std::uint8_t { kPlain, kHasCome, kWorker } kind = Kind::kPlain;
};

/// A worker, as sched/worker.cc and sched/park.cc have it; asleep at first.
class Worker : public Thread {
 public:
  Worker(House& house, std::uint32_t id) : house_(house), id_(id) {}

  /// The solo thread, if all others sleep.
  void wake_up();
  void look_around() noexcept { party_.look_around(); }
  void arrive() noexcept { party_.arrive(); }
  /// It has said so, and may look for work once more.
  void fall_asleep();
  /// The worker's thread ends.
  void end() noexcept { party_.end(); }

 private:
  House& house_;
  const std::uint32_t id_;
  bool begun_ = false;
  weft::detail::WorkerParty party_;
};

}  // namespace support
