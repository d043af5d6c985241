// What the runtime asks of io_uring, on its way there. liburing's calls return the negative errno.
//
// An operation fails by becoming another one on its way into the kernel: IORING_OP_NOP that ends
// with the wanted result, so that its completion comes as any other does. Or it asks for less.

#include <liburing.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>

#include "faults/injector.h"

using faults::Call;
using faults::detail::judge;
using faults::detail::Verdict;

extern "C" {
int __real_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* wanted);
int __real_io_uring_enter2(unsigned fd, unsigned submit, unsigned least, unsigned flags,
                           sigset_t* argument, size_t size);
}

namespace {

constexpr int kInjectResult = 1;  // IORING_NOP_INJECT_RESULT, since Linux 6.11

struct Known {
  io_uring* ring = nullptr;
  unsigned judged = 0;  // up to here entries have been looked at
};

// Entries change while no thread can be handing them over.
constinit std::mutex g_mutex;
constinit std::array<Known, 4096> g_rings{};  // by descriptor; under g_mutex

void end_with(io_uring_sqe& entry, int result) noexcept {
  const auto user_data = entry.user_data;
  std::memset(&entry, 0, sizeof(entry));
  entry.opcode = IORING_OP_NOP;
  entry.fd = -1;
  entry.user_data = user_data;
  entry.len = static_cast<unsigned>(result);
  entry.rw_flags = kInjectResult;
}

}  // namespace

// Older kernels take no notice of the wanted result.
bool faults::kernel_ends_as_told() noexcept {
  static const bool known = [] {
    io_uring ring;
    io_uring_params parameters{};
    if (__real_io_uring_queue_init_params(2, &ring, &parameters) != 0) return false;
    end_with(*io_uring_get_sqe(&ring), -EXDEV);
    io_uring_cqe* completion = nullptr;
    const bool ended = io_uring_submit(&ring) == 1 && io_uring_wait_cqe(&ring, &completion) == 0;
    const bool as_told = ended && completion->res == -EXDEV;
    io_uring_queue_exit(&ring);
    return as_told;
  }();
  return known;
}

namespace {

std::optional<Call> call_of(const io_uring_sqe& entry) noexcept {
  if (entry.user_data <= 1) return std::nullopt;  // the ring's own
  switch (entry.opcode) {
    case IORING_OP_RECV:
      return Call::kRingReceive;
    case IORING_OP_SEND:
      return Call::kRingSend;
    case IORING_OP_ACCEPT:
      return Call::kRingAccept;
    case IORING_OP_READ:
      return Call::kRingRead;
    case IORING_OP_WRITE:
      return Call::kRingWrite;
    case IORING_OP_FSYNC:
      return Call::kRingSync;
    case IORING_OP_POLL_ADD:
      return Call::kRingPoll;
    default:
      return std::nullopt;
  }
}

void change(io_uring_sqe& entry) noexcept {
  const std::optional<Call> call = call_of(entry);
  if (!call) return;
  const Verdict verdict = judge(*call, entry.fd);
  if (!verdict) return;
  if (verdict.error != 0) return end_with(entry, -verdict.error);
  entry.len = std::min(entry.len, static_cast<unsigned>(verdict.most));
}

// Hands over what there is, changed as the plan says. As io_uring_enter(2).
int submit_changed(Known& known, unsigned fd, unsigned most) noexcept {
  const io_uring_sq& queue = known.ring->sq;
  const unsigned first = io_uring_smp_load_acquire(queue.khead);
  const unsigned tail = io_uring_smp_load_acquire(queue.ktail);
  if (static_cast<int>(known.judged - first) < 0) known.judged = first;
  for (; known.judged != tail; ++known.judged) {
    change(queue.sqes[known.judged & queue.ring_mask]);
  }
  const unsigned count = std::min(tail - first, most);
  return count == 0 ? 0 : __real_io_uring_enter2(fd, count, 0, 0, nullptr, 0);
}

}  // namespace

extern "C" {

int __wrap_io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* wanted) {
  if (const Verdict verdict = judge(Call::kRingSetup)) return -verdict.error;
  const int result = __real_io_uring_queue_init_params(entries, ring, wanted);
  if (result < 0) return result;
  const std::lock_guard lock(g_mutex);
  const auto fd = static_cast<std::size_t>(ring->ring_fd);
  if (fd < g_rings.size()) g_rings[fd] = {ring};
  return result;
}

// A call that does not take all entries does not wait: io_uring_enter(2). The ring's descriptor is
// not the one that anybody's operation is about, and liburing closes it by itself; so what is
// injected here is not kept with it.
int __wrap_io_uring_enter2(unsigned fd, unsigned submit, unsigned least, unsigned flags,
                           sigset_t* argument, size_t size) {
  const Verdict verdict = judge(Call::kRingEnter);
  if (verdict && verdict.error != 0) return -verdict.error;
  const bool is_short = verdict && submit > verdict.most;
  const unsigned most = is_short ? static_cast<unsigned>(verdict.most) : ~0U;
  if (fd < g_rings.size() && faults::detail::plans_operations() && faults::kernel_ends_as_told()) {
    const std::lock_guard lock(g_mutex);
    if (g_rings[fd].ring != nullptr && submit > 0) {
      const int taken = submit_changed(g_rings[fd], fd, most);
      if (taken < 0 || is_short) return taken;
      submit = 0;
    }
  }
  if (is_short) return __real_io_uring_enter2(fd, most, 0, 0, nullptr, 0);
  return __real_io_uring_enter2(fd, submit, least, flags, argument, size);
}

}  // extern "C"
