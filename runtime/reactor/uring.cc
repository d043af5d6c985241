#include "reactor/uring.h"

#include "base/chaos.h"
#include "base/membarrier.h"
#include "sched/worker.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr unsigned kEntries = 256;  // of a ring; when they are full they are handed over
constexpr unsigned kReapedAtOnce = 256;
constexpr Nanos kLongestFinish = 20'000;

}  // namespace

UringReactor::UringReactor(unsigned workers) : Reactor(/*hands_over=*/true) {
  rings_.reserve(workers);
  for (unsigned i = 0; i < workers; ++i) rings_.push_back(std::make_unique<Ring>(kEntries));
}

Ring& UringReactor::here() noexcept {
  const Worker* const worker = current_worker();
  return *rings_[worker != nullptr ? worker->index() : 0];
}

bool UringReactor::active() const noexcept {
  for (const auto& ring : rings_) {
    if (ring->busy()) return true;
  }
  return false;
}

// Nobody else sits there for longer than it takes to reap.
bool UringReactor::acquire(unsigned worker) noexcept {
  for (SpinWait spin; !rings_[worker]->take_seat();) spin.pause();
  return true;
}

void UringReactor::release(unsigned worker) noexcept { rings_[worker]->leave_seat(); }

void UringReactor::interrupt(unsigned worker) noexcept { rings_[worker]->interrupt(); }

void UringReactor::poll(unsigned worker, Nanos deadline, std::vector<Ready>& ready) noexcept {
  Ring& ring = *rings_[worker];
  ring.wait(deadline);
  reap(ring, ready);
}

void UringReactor::reap(Ring& ring, std::vector<Ready>& ready) noexcept {
  const unsigned most =
      chaos::strikes(chaos::Kind::kDriver, 1) ? 1 + chaos::below(4) : kReapedAtOnce;
  ring.reap(most, [&](std::uint64_t request, Completion end) noexcept {
    finish(*reinterpret_cast<Request*>(request), end, ready);
  });
}

bool UringReactor::has_waiting(unsigned worker) const noexcept {
  return rings_[worker]->has_news();
}

// Its worker is in a fiber and does not look. What the kernel has yet to finish wants that thread
// in the kernel: a barrier on all threads brings it there, and it finishes on its way out. The seat
// is free meanwhile: the barrier may take its time, and the owner waits for the seat.
void UringReactor::take_over(unsigned worker, std::vector<Ready>& ready) noexcept {
  Ring& ring = *rings_[worker];
  if (!ring.has_news()) return;
  const auto sit = [&](auto act) {
    if (!ring.take_seat()) return;
    act();
    ring.leave_seat();
  };
  sit([&] { ring.wait(0); });
  if (ring.has_unfinished()) {
    barrier_on_all_threads();
    const Nanos until = now() + kLongestFinish;
    while (ring.has_unfinished() && now() < until) cpu_relax();
  }
  sit([&] { reap(ring, ready); });
}

}  // namespace weft::detail
