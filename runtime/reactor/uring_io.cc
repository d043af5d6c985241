// Operations that wait: a request goes to the kernel, and its fiber sleeps until that has ended.

#include <poll.h>
#include <weft/error.h>

#include <cerrno>

#include "reactor/uring.h"
#include "reactor/uring_files.h"
#include "reactor/uring_request.h"

namespace weft::detail {

namespace {

void prepare(io_uring_sqe& entry, int fd, Direction direction, const Handover& handover) noexcept {
  switch (handover.call) {
    case Handover::Call::kReceive:
      io_uring_prep_recv(&entry, fd, handover.into.data(), handover.into.size(), 0);
      entry.ioprio |= IORING_RECVSEND_POLL_FIRST;  // there was nothing just now
      break;
    case Handover::Call::kSend:
      // Where there is no room it is not to wait in the kernel: once the peer has ended its half,
      // that would occupy a thread of the kernel for each.
      io_uring_prep_send(&entry, fd, handover.from.data(), handover.from.size(),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
      break;
    case Handover::Call::kAccept:
      io_uring_prep_accept(&entry, fd, handover.peer, handover.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      break;
    case Handover::Call::kNone:
      io_uring_prep_poll_add(&entry, fd,
                             direction == Direction::kRead ? POLLIN | POLLRDHUP : POLLOUT);
      break;
  }
}

constexpr int kWritable = POLLOUT | POLLERR | POLLHUP;

// The kernel adds POLLRDHUP to whatever is asked for. When only that has come, a poll that ends
// with the first event would end again and again, so one takes its place that is told of changes.
void prepare_edges(io_uring_sqe& entry, int fd) noexcept {
  io_uring_prep_poll_multishot(&entry, fd, POLLOUT);
}

}  // namespace

IoResult UringReactor::wait_or_do(const FdOperation& operation, Direction direction,
                                  const Handover& handover) {
  Handover::Call call = handover.call;
  bool by_edges = false;
  for (;;) {
    // Here nothing has been begun. Further down one that is pending might meet a call that succeeds
    // at once, again and again, and never be told.
    if (take_cancellation()) throw Cancelled{};
    RingRequest request;
    request.events = by_edges ? kWritable : 0;
    const Wake reason = request.run(rings_.here(), operation, [&](io_uring_sqe& entry) {
      if (by_edges) return prepare_edges(entry, operation.fd());
      prepare(entry, operation.fd(), direction, call == handover.call ? handover : Handover{});
    });
    const auto [result, flags] = request.end;
    const bool waited = call == Handover::Call::kNone;
    if (reason == Wake::kCancelled) {
      if (waited || (result < 0 && !is_failure(result))) throw Cancelled{};
      // It has happened, so it is told; the cancellation is for the next wait.
      put_cancellation_back();
    }
    if (result >= 0 && !waited) {
      const auto count = static_cast<std::size_t>(result);
      const bool more = count == handover.into.size() || (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
      if (call == Handover::Call::kReceive && more) operation.entry().note_ready(direction);
      return {.count = count};
    }
    if (is_failure(result)) return {.error = -result};
    if (reason == Wake::kClosed) return {.error = ECANCELED};
    if (result >= 0) {
      by_edges = direction == Direction::kWrite && (result & kWritable) == 0;
      if (by_edges) continue;
      operation.entry().note_ready(direction);
      return {.error = EAGAIN};
    }
    if (result == -EAGAIN) {  // it does not wait for this descriptor
      if (waited) return {.error = EPERM};
      call = Handover::Call::kNone;
    }
    // Else not stopped by us: the thread that had handed it over has ended.
  }
}

IoResult UringReactor::do_file_call(const FdOperation& operation, const FileCall& call) {
  return weft::detail::do_file_call(rings_, operation, call);
}

}  // namespace weft::detail
