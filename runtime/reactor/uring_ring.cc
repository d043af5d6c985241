#include "reactor/uring_ring.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <mutex>
#include <system_error>

#include "base/assert.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr Nanos kNanosPerSecond = 1'000'000'000;
// Completions wait here until the worker looks; beyond it the kernel keeps them in memory of its
// own.
constexpr unsigned kCompletionsPerEntry = 8;

// The memory of a ring that is gone may be the next one's. liburing maps it behind the back of
// ThreadSanitizer, which learns from this that all use of the former came before. [uring-unmapped]
Atomic<unsigned> g_rings_unmapped{0};

// 0, or the errno of what refused. What it was asked for last, `ring` says.
int set_up(io_uring& ring, unsigned entries, unsigned flags) noexcept {
  io_uring_params parameters{};
  parameters.flags = flags | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  parameters.cq_entries = entries * kCompletionsPerEntry;
  return -io_uring_queue_init_params(entries, &ring, &parameters);
}

// As much as the kernel knows of what is wanted. Before 5.18 there was no SUBMIT_ALL, and before
// 5.13 no operation could watch wake_up_ for good.
int set_up(io_uring& ring, unsigned entries, Ring::Kind kind) noexcept {
  constexpr unsigned kCooperative = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;  // 5.19
  const bool slept_in = kind == Ring::Kind::kSleptIn;
  const int error = set_up(ring, entries, slept_in ? kCooperative : 0);
  return error == EINVAL && slept_in ? set_up(ring, entries, 0U) : error;
}

bool has_all_operations(io_uring& ring) noexcept {
  io_uring_probe* const probe = io_uring_get_probe_ring(&ring);
  if (probe == nullptr) return false;
  bool all = true;
  for (const int operation :
       {IORING_OP_POLL_ADD, IORING_OP_RECV, IORING_OP_SEND, IORING_OP_ACCEPT, IORING_OP_READ,
        IORING_OP_WRITE, IORING_OP_FSYNC, IORING_OP_ASYNC_CANCEL}) {
    all = all && io_uring_opcode_supported(probe, operation) != 0;
  }
  io_uring_free_probe(probe);
  return all;
}

}  // namespace

Ring::Ring(Kind kind, unsigned entries) : kind_(kind) {
  if (const int error = set_up(ring_, entries, kind)) {
    throw std::system_error(error, std::system_category(), "weft: io_uring_setup");
  }
  g_rings_unmapped.load(std::memory_order_acquire);  // [uring-unmapped]
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
  int error = (ring_.features & kNeeded) == kNeeded && has_all_operations(ring_) ? 0 : ENOSYS;
  const char* what = "weft: io_uring lacks what is needed (Linux 5.18)";
  if (error == 0 && kind == Kind::kSleptIn) {
    wake_up_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = wake_up_ < 0 ? errno : 0;
    what = "weft: eventfd";
  }
  if (error != 0) {
    io_uring_queue_exit(&ring_);
    throw std::system_error(error, std::system_category(), what);
  }
  // Entries are handed over in the order in which they are written.
  for (unsigned i = 0; i < ring_.sq.ring_entries; ++i) ring_.sq.array[i] = i;
}

Ring::~Ring() {
  io_uring_queue_exit(&ring_);
  g_rings_unmapped.fetch_add(1, std::memory_order_release);  // [uring-unmapped]
  if (wake_up_ >= 0) ::close(wake_up_);
}

unsigned Ring::unsubmitted() const noexcept {
  return io_uring_smp_load_acquire(ring_.sq.ktail) - io_uring_smp_load_acquire(ring_.sq.khead);
}

bool Ring::has_completions() const noexcept {
  return io_uring_smp_load_acquire(ring_.cq.ktail) != io_uring_smp_load_acquire(ring_.cq.khead);
}

bool Ring::has_unfinished() const noexcept {
  return (io_uring_smp_load_acquire(ring_.sq.kflags) &
          (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool Ring::has_news() const noexcept {
  return unsubmitted() > 0 || has_completions() || has_unfinished();
}

int Ring::enter(unsigned least, unsigned flags, const void* argument, std::size_t size) noexcept {
  // The type says that a signal mask is read there; with EXT_ARG it is the argument.
  auto* const extended = static_cast<sigset_t*>(const_cast<void*>(argument));
  const int result = io_uring_enter2(static_cast<unsigned>(ring_.ring_fd), unsubmitted(), least,
                                     flags, extended, size);
  return result < 0 ? -result : 0;
}

int Ring::flush() noexcept {
  const bool seated = take_seat();  // so that nobody thinks that the owner is stuck in a fiber
  int error = 0;
  while (unsubmitted() > 0) {
    error = enter(0, 0, nullptr, 0);
    if (error != 0 && error != EINTR) break;
    error = 0;
  }
  if (seated) leave_seat();
  return error;
}

// The kernel takes nothing only while it has no memory for an entry.
void Ring::flush_all() noexcept {
  while (unsubmitted() > 0) {
    if (enter(0, 0, nullptr, 0) != 0) ::sched_yield();
  }
}

void Ring::interrupt() noexcept {
  // Every write is a new edge. It fails only for a sum above 2^64 - 2.
  const int failed = ::eventfd_write(wake_up_, 1);
  WEFT_ASSERT(failed == 0, "nobody can wake up a worker that often");
}

void Ring::watch_wake_up() noexcept {
  const auto watch = [this](io_uring_sqe& entry) {
    io_uring_prep_poll_multishot(&entry, wake_up_, POLLIN);
    entry.user_data = kWakeUp;
  };
  const std::lock_guard lock(submission_lock_);
  if (!write_entry(watch)) {
    enter(0, 0, nullptr, 0);
    if (!write_entry(watch)) return;
  }
  wake_up_watched_ = true;
  enter(0, 0, nullptr, 0);
}

void Ring::wait(Nanos deadline) noexcept {
  // Between this and the sleep nothing takes the watch away, except that it ends with a completion.
  if (deadline != 0 && !wake_up_watched_) watch_wake_up();
  if (deadline == 0 || has_completions() || !wake_up_watched_) {
    if (unsubmitted() > 0 || has_unfinished()) enter(0, IORING_ENTER_GETEVENTS, nullptr, 0);
    return;
  }
  __kernel_timespec relative{};
  io_uring_getevents_arg argument{};
  if (deadline != kNever) {
    const Nanos span = std::max<Nanos>(deadline - now(), 0);
    relative = {span / kNanosPerSecond, span % kNanosPerSecond};
    argument.ts = reinterpret_cast<std::uintptr_t>(&relative);
  }
  enter(1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof(argument));
}

}  // namespace weft::detail
