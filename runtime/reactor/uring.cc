#include "reactor/uring.h"

#include <poll.h>
#include <sys/epoll.h>
#include <weft/owned_fd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/membarrier.h"
#include "sched/worker.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr Nanos kLongestFinish = 20'000;
constexpr std::uint64_t kForeignKey = 2;  // no request's address

}  // namespace

struct UringReactor::Foreign {
  explicit Foreign(OwnedFd fd) noexcept : epoll(std::move(fd)), waits(epoll.get()) {}

  const OwnedFd epoll;
  ForeignWaits waits;
};

UringReactor::UringReactor(unsigned workers)
    : Reactor({.sends = true, .files = true}),
      rings_(Ring::Kind::kSleptIn, workers),
      foreign_(workers) {}

UringReactor::~UringReactor() {
  for (const Atomic<Foreign*>& foreign : foreign_) delete foreign.load(std::memory_order_relaxed);
}

bool UringReactor::active() const noexcept { return rings_.busy(); }

// Nobody else sits there for longer than it takes to reap.
bool UringReactor::acquire(unsigned worker) noexcept {
  for (SpinWait spin; !rings_[worker].take_seat();) spin.pause();
  return true;
}

void UringReactor::release(unsigned worker) noexcept { rings_[worker].leave_seat(); }

void UringReactor::interrupt(unsigned worker) noexcept { rings_[worker].interrupt(); }

void UringReactor::poll(unsigned worker, Nanos deadline, std::vector<Ready>& ready) noexcept {
  rings_[worker].wait(deadline);
  reap(worker, ready);
}

void UringReactor::reap(unsigned worker, std::vector<Ready>& ready) noexcept {
  Ring& ring = rings_[worker];
  ring.reap(Rings::most_at_once(), [&](std::uint64_t request, Completion end) noexcept {
    if (request == kForeignKey) {
      post_foreign(ring, *foreign_[worker].load(std::memory_order_acquire), end,
                   ready);  // [foreign]
      return;
    }
    RingRequest::finish(request, end, ready);
  });
}

// ---- Descriptors of others.

ForeignWaits& UringReactor::foreign_waits() {
  const unsigned worker = Rings::index_here();
  Foreign* foreign = foreign_[worker].load(std::memory_order_relaxed);
  if (foreign != nullptr) [[likely]]
    return foreign->waits;
  OwnedFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) throw std::system_error(errno, std::system_category(), "weft: epoll_create1");
  foreign = new Foreign(std::move(epoll));
  foreign_[worker].store(foreign, std::memory_order_release);  // [foreign]
  watch(rings_[worker], *foreign);
  return foreign->waits;
}

void UringReactor::watch(Ring& ring, const Foreign& foreign) noexcept {
  ring.push_now([&](io_uring_sqe& entry) {
    io_uring_prep_poll_multishot(&entry, foreign.epoll.get(), POLLIN);
    entry.user_data = kForeignKey;
  });
}

void UringReactor::post_foreign(Ring& ring, Foreign& foreign, Completion news,
                                std::vector<Ready>& ready) noexcept {
  constexpr int kEventsAtOnce = 64;
  std::array<epoll_event, kEventsAtOnce> events;
  int count;
  do {
    count = ::epoll_wait(foreign.epoll.get(), events.data(), kEventsAtOnce, 0);
    for (int i = 0; i < count; ++i) {
      foreign.waits.post(events[static_cast<std::size_t>(i)], ready);
    }
  } while (count == kEventsAtOnce);
  // The kernel gives a poll up that it cannot tell of, and whoever asks anew is answered at once.
  if ((news.flags & IORING_CQE_F_MORE) == 0) watch(ring, foreign);
}

bool UringReactor::has_waiting(unsigned worker) const noexcept { return rings_[worker].has_news(); }

// Its worker is in a fiber and does not look. What the kernel has yet to finish wants that thread
// in the kernel: a barrier on all threads brings it there, and it finishes on its way out. The seat
// is free meanwhile: the barrier may take its time, and the owner waits for the seat.
// An owner that sits is no such case: it sleeps there, polls, or hands over what is queued.
void UringReactor::take_over(unsigned worker, std::vector<Ready>& ready) noexcept {
  Ring& ring = rings_[worker];
  if (!ring.has_news() || ring.is_seat_taken()) return;
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
  sit([&] { reap(worker, ready); });
}

}  // namespace weft::detail
