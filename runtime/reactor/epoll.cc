#include "reactor/epoll.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/error.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include "base/assert.h"
#include "base/chaos.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr std::uint64_t kWakeUpKey = std::numeric_limits<std::uint64_t>::max();
// Of what is watched besides; the rest is its index. No number has it, and no other key.
constexpr std::uint64_t kBesides = std::uint64_t{1} << 30;
constexpr Nanos kNanosPerSecond = 1'000'000'000;
constexpr Nanos kNanosPerMilli = 1'000'000;

}  // namespace

EpollReactor::KernelObject::KernelObject(int fd, const char* origin) : fd_(fd) {
  if (fd < 0) throw std::system_error(errno, std::system_category(), origin);
}

EpollReactor::KernelObject::~KernelObject() { ::close(fd_); }

EpollReactor::EpollReactor(bool nanoseconds, Takes takes)
    : Reactor(takes),
      epoll_(::epoll_create1(EPOLL_CLOEXEC), "weft: epoll_create1"),
      wake_up_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "weft: eventfd"),
      has_nanosecond_wait_(nanoseconds) {
  add(wake_up_.fd(), EPOLLIN | EPOLLET, kWakeUpKey);
}

void EpollReactor::watch_besides(int fd, std::uint32_t index) {
  add(fd, EPOLLIN, kBesides | index);
}

void EpollReactor::add(int fd, std::uint32_t events, std::uint64_t key) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  if (::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::system_category(), "weft: epoll_ctl");
  }
}

bool EpollReactor::active() const noexcept {
  return home_->descriptors.load(std::memory_order_relaxed) > 0 ||
         has_foreign_waits_.load(std::memory_order_relaxed);
}

ForeignWaits& EpollReactor::foreign_waits() noexcept {
  if (!has_foreign_waits_.load(std::memory_order_relaxed)) {
    has_foreign_waits_.store(true, std::memory_order_relaxed);
  }
  return foreign_waits_;
}

bool EpollReactor::unwatched() noexcept {
  return active() && !seat_taken_.load(std::memory_order_relaxed);
}

bool EpollReactor::acquire(unsigned /*worker*/) noexcept {
  return !seat_taken_.load(std::memory_order_relaxed) &&
         !seat_taken_.exchange(true, std::memory_order_acquire);
}

void EpollReactor::release(unsigned /*worker*/) noexcept {
  seat_taken_.store(false, std::memory_order_release);
}

void EpollReactor::interrupt(unsigned /*worker*/) noexcept {
  // Every write is a new edge. It fails only for a sum above 2^64 - 2.
  const int failed = ::eventfd_write(wake_up_.fd(), 1);
  WEFT_ASSERT(failed == 0, "nobody can wake up a worker that often");
}

void EpollReactor::poll(unsigned /*worker*/, Nanos deadline, std::vector<Ready>& ready) noexcept {
  const int count = wait_for_events(deadline);
  for (int i = 0; i < count; ++i) report(events_[static_cast<std::size_t>(i)], ready);
}

int EpollReactor::wait_for_events(Nanos deadline) noexcept {
  const Nanos span =
      deadline == kNever || deadline == 0 ? deadline : std::max<Nanos>(deadline - now(), 0);
  const int most = chaos::strikes(chaos::Kind::kDriver, 1) ? 1 + static_cast<int>(chaos::below(4))
                                                           : int{kEventsAtOnce};
  int count = -1;
  errno = ENOSYS;
#if defined(SYS_epoll_pwait2)
  if (has_nanosecond_wait_) {
    const timespec relative{static_cast<time_t>(span / kNanosPerSecond),
                            static_cast<long>(span % kNanosPerSecond)};
    count = static_cast<int>(::syscall(SYS_epoll_pwait2, epoll_.fd(), events_.data(), most,
                                       span == kNever ? nullptr : &relative, nullptr, 0));
  }
#endif
  // EPERM is what filters say that were written before there was this call.
  if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
    has_nanosecond_wait_ = false;
    // Rounded up: a sleep that ends too early is begun again, and again.
    const Nanos millis =
        std::min<Nanos>(span / kNanosPerMilli + (span % kNanosPerMilli != 0 ? 1 : 0),
                        std::numeric_limits<int>::max());
    count = ::epoll_wait(epoll_.fd(), events_.data(), most,
                         span == kNever ? -1 : static_cast<int>(millis));
  }
  WEFT_ASSERT(count >= 0 || errno == EINTR, "the arguments are our own");
  return count;
}

void EpollReactor::report(const epoll_event& event, std::vector<Ready>& ready) noexcept {
  if (event.data.u64 == kWakeUpKey) return;
  if (ForeignWaits::owns(event.data.u64)) return foreign_waits_.post(event, ready);
  if ((event.data.u64 & kBesides) != 0) {
    return look_at(static_cast<std::uint32_t>(event.data.u64 & ~kBesides), ready);
  }
  const auto fd = static_cast<int>(event.data.u64 & std::numeric_limits<std::uint32_t>::max());
  FdEntry* const entry = FdTable::instance().find(fd);
  WEFT_ASSERT(entry != nullptr, "only numbers that have an entry are added");
  const std::uint32_t bits = event.events;
  const bool broken = (bits & (EPOLLERR | EPOLLHUP)) != 0;
  const bool ended = (bits & EPOLLRDHUP) != 0;
  FdEvent what;
  what.readable = broken || ended || (bits & EPOLLIN) != 0;
  what.writable = broken || (bits & EPOLLOUT) != 0;
  what.read_hung_up = broken || ended;
  what.write_hung_up = broken;
  entry->post(static_cast<FdEntry::Generation>(event.data.u64 >> 32), what, ready);
}

// ---- Waiting for an event.

IoResult EpollReactor::wait_or_do(const FdOperation& operation, Direction direction,
                                  const Handover& /*handover*/) {
  for (;;) {
    const auto reason = operation.entry().wait(operation.generation(), direction, home_.get());
    if (!reason.has_value()) {
      if (const int error = watch(operation)) return {.error = error};
      continue;
    }
    switch (*reason) {
      case Wake::kNormal:
        return {.error = EAGAIN};
      case Wake::kClosed:
        return {.error = ECANCELED};
      default:
        throw Cancelled{};
    }
  }
}

// The first wait on a descriptor in this runtime. Others may link themselves while the kernel is
// being told: it answers with the readiness there is, which wakes them too. Not inlined, for the
// sake of errno: compilers keep its address across calls, and after a suspension it would be
// another thread's.
[[gnu::noinline]] int EpollReactor::watch(const FdOperation& operation) {
  FdEntry& entry = operation.entry();
  if (!entry.move_to(home_)) return 0;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 =
      (std::uint64_t{operation.generation()} << 32) | static_cast<std::uint32_t>(operation.fd());
  if (::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, operation.fd(), &event) == 0) return 0;
  // It was here before, and in another runtime since. This, too, is answered with what is ready.
  // Or blocking code waits for it, which is no longer told.
  if (errno == EEXIST && ::epoll_ctl(epoll_.fd(), EPOLL_CTL_MOD, operation.fd(), &event) == 0) {
    foreign_waits_.look_again(operation.fd());
    return 0;
  }
  const int error = errno;
  entry.leave_home(home_.get());
  return error;
}

}  // namespace weft::detail
