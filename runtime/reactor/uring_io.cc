// Operations that wait: a request goes to the kernel, and its fiber sleeps until that has ended.

#include <poll.h>
#include <sched.h>
#include <weft/error.h>

#include <cerrno>
#include <mutex>

#include "base/spinlock.h"
#include "reactor/uring.h"

namespace weft::detail {

// In the frame of the fiber that waits, until the kernel has told its end.
struct UringReactor::Request {
  Spinlock lock;
  WakeToken waiter;    // under lock
  bool ended = false;  // under lock
  Completion end;      // under lock
};

namespace {

void prepare(io_uring_sqe& entry, int fd, Direction direction, const Handover& handover) noexcept {
  switch (handover.call) {
    case Handover::Call::kReceive:
      io_uring_prep_recv(&entry, fd, handover.into.data(), handover.into.size(), 0);
      entry.ioprio |= IORING_RECVSEND_POLL_FIRST;  // there was nothing just now
      break;
    case Handover::Call::kSend:
      io_uring_prep_send(&entry, fd, handover.from.data(), handover.from.size(), MSG_NOSIGNAL);
      break;
    case Handover::Call::kAccept:
      io_uring_prep_accept(&entry, fd, handover.peer, handover.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      break;
    case Handover::Call::kReadAt:
      io_uring_prep_read(&entry, fd, handover.into.data(),
                         static_cast<unsigned>(handover.into.size()), handover.offset);
      break;
    case Handover::Call::kWriteAt:
      io_uring_prep_write(&entry, fd, handover.from.data(),
                          static_cast<unsigned>(handover.from.size()), handover.offset);
      break;
    case Handover::Call::kSync:
      io_uring_prep_fsync(&entry, fd, handover.with_metadata ? 0 : IORING_FSYNC_DATASYNC);
      break;
    case Handover::Call::kNone:
      io_uring_prep_poll_add(&entry, fd,
                             direction == Direction::kRead ? POLLIN | POLLRDHUP : POLLOUT);
      break;
  }
}

void unlock(void* lock) noexcept { static_cast<Spinlock*>(lock)->unlock(); }

}  // namespace

// By whoever reaps. Once the lock is free the request may be gone.
void UringReactor::finish(Request& request, Completion end, std::vector<Ready>& ready) noexcept {
  request.lock.lock();
  request.end = end;
  request.ended = true;
  const WakeToken waiter = request.waiter;
  request.lock.unlock();
  try {
    ready.push_back({waiter, Wake::kNormal});
  } catch (const std::bad_alloc&) {
    wake(waiter);
  }
}

// Executed while it is submitted; so when this returns it cannot hit a later request in the same
// place. It may find that the request has just ended.
void UringReactor::cancel(Ring& ring, const Request& request) noexcept {
  const auto ask = [&](io_uring_sqe& entry) {
    io_uring_prep_cancel(&entry, const_cast<Request*>(&request), 0);
    entry.user_data = Ring::kNobody;
  };
  // The kernel takes nothing only while it has no memory for an entry.
  while (ring.push(ask) != 0) ::sched_yield();
  while (ring.flush() != 0) ::sched_yield();
}

// Returns when the request has ended: with kNormal, or with why it was asked to. The lock is held
// until the fiber is asleep: who reaps an early end waits for that.
Wake UringReactor::run(Ring& ring, Request& request, const FdOperation& operation,
                       Direction direction, const Handover& handover) {
  request.waiter = current_token(WaitsFor::kDescriptor);
  request.lock.lock();
  const int error = ring.push([&](io_uring_sqe& entry) {
    prepare(entry, operation.fd(), direction, handover);
    entry.user_data = reinterpret_cast<std::uintptr_t>(&request);
  });
  if (error != 0) {
    request.lock.unlock();
    request.end.result = -ENOMEM;
    return Wake::kNormal;
  }
  Wake reason = operation.entry().wait_for_close(operation.generation(), request.lock);
  for (bool asked = false;;) {
    const WakeToken again = current_token(WaitsFor::kDescriptor);
    request.lock.lock();
    request.waiter = again;
    if (request.ended) {
      request.lock.unlock();
      return reason;
    }
    if (reason == Wake::kNormal) {  // from another driver, which watches the descriptor, too
      reason = operation.entry().wait_for_close(operation.generation(), request.lock);
    } else if (!asked) {
      request.lock.unlock();
      cancel(ring, request);
      asked = true;
    } else {
      suspend(&unlock, &request.lock, Cancellable::kNo);
    }
  }
}

IoResult UringReactor::wait_or_do(const FdOperation& operation, Direction direction,
                                  const Handover& handover) {
  Handover::Call call = handover.call;
  for (;;) {
    Request request;
    const Wake reason =
        run(here(), request, operation, direction, call == handover.call ? handover : Handover{});
    const auto [result, flags] = request.end;
    const bool transferred = result >= 0 && call != Handover::Call::kNone;
    if (reason == Wake::kCancelled) {
      if (!transferred) throw Cancelled{};
      // It has happened, so it is told; the cancellation is for the next wait.
      put_cancellation_back();
    }
    if (transferred) {
      const auto count = static_cast<std::size_t>(result);
      const bool more = count == handover.into.size() || (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
      if (call == Handover::Call::kReceive && more) operation.entry().note_ready(direction);
      return {.count = count};
    }
    if (reason == Wake::kClosed) return {.error = ECANCELED};
    if (result >= 0) {
      operation.entry().note_ready(direction);
      return {.error = EAGAIN};
    }
    switch (-result) {
      case ECANCELED:  // not by us: the thread that had submitted it has ended
      case EINTR:
        break;
      case EAGAIN:  // it does not wait for this descriptor
        if (call == Handover::Call::kNone) return {.error = EPERM};
        call = Handover::Call::kNone;
        break;
      default:
        return {.error = -result};
    }
  }
}

}  // namespace weft::detail
