#pragma once

// The driver that works everywhere: one edge-triggered epoll instance a runtime.
//
// A descriptor is added once, when something first waits on it, for everything and for good. The
// kernel answers the addition with the readiness there is by then, so no edge can come too early to
// be seen; and it forgets the descriptor when it is closed. Edge-triggered means told once: what
// was reported is kept in the descriptor's entry, and a system call is tried only while that says
// it may succeed (see Readiness).
//
// Any worker may poll, but one at a time. The others need not: whom the poller finds ready, all can
// run.

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>

#include "base/atomic.h"
#include "reactor/fd_table.h"
#include "reactor/reactor.h"

namespace weft::detail {

class EpollReactor : public Reactor {
 public:
  /// Throws std::system_error. Without `nanoseconds` it sleeps as on a kernel before 5.11: for
  /// whole milliseconds.
  explicit EpollReactor(bool nanoseconds = true) : EpollReactor(nanoseconds, Takes{}) {}

  const char* name() const noexcept override { return "epoll"; }
  bool active() const noexcept override;
  bool unwatched() noexcept override;
  bool acquire(unsigned worker) noexcept override;
  void release(unsigned worker) noexcept override;
  void poll(unsigned worker, Nanos deadline, std::vector<Ready>& ready) noexcept override;
  void interrupt(unsigned worker) noexcept override;
  ForeignWaits& foreign_waits() noexcept override;

 protected:
  EpollReactor(bool nanoseconds, Takes takes);

  IoResult wait_or_do(const FdOperation& operation, Direction direction, const Handover&) override;

  /// Watches what a driver that builds on this one has besides, for as long as `fd` can be read:
  /// each poll() then asks for look_at(index). Throws std::system_error.
  void watch_besides(int fd, std::uint32_t index);
  virtual void look_at(std::uint32_t /*index*/, std::vector<Ready>& /*ready*/) noexcept {}

 private:
  static constexpr std::size_t kEventsAtOnce = 128;

  void add(int fd, std::uint32_t events, std::uint64_t key);
  int wait_for_events(Nanos deadline) noexcept;
  void report(const epoll_event& event, std::vector<Ready>& ready) noexcept;
  int watch(const FdOperation& operation);

  class KernelObject {
   public:
    KernelObject(int fd, const char* origin);
    ~KernelObject();
    KernelObject(const KernelObject&) = delete;
    KernelObject& operator=(const KernelObject&) = delete;
    int fd() const noexcept { return fd_; }

   private:
    const int fd_;
  };

  const KernelObject epoll_;
  const KernelObject wake_up_;  // an eventfd, whose edges end a sleep; what it counts is never read
  const std::shared_ptr<FdHome> home_ = std::make_shared<FdHome>();
  ForeignWaits foreign_waits_{epoll_.fd()};
  // Set by the first to ask for them, read by active(). Only a hint.
  Atomic<bool> has_foreign_waits_{false};
  // The right to poll: taken by a worker with acquire, left with release, so that events_ goes from
  // one to the next.
  Atomic<bool> seat_taken_{false};
  bool has_nanosecond_wait_;                       // by the poller
  std::array<epoll_event, kEventsAtOnce> events_;  // by the poller
};

}  // namespace weft::detail
