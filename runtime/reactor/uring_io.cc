// Operations that wait: a request goes to the kernel, and its fiber sleeps until that has ended.

#include <poll.h>
#include <unistd.h>
#include <weft/error.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "base/spinlock.h"
#include "reactor/uring_request.h"
#include "time/clock.h"

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

constexpr int kWritable = POLLOUT | POLLERR | POLLHUP;

// The kernel adds POLLRDHUP to whatever is asked for. When only that has come, a poll that ends
// with the first event would end again and again, so one takes its place that is told of changes.
void prepare_edges(io_uring_sqe& entry, int fd) noexcept {
  io_uring_prep_poll_multishot(&entry, fd, POLLOUT);
}

void unlock(void* lock) noexcept { static_cast<Spinlock*>(lock)->unlock(); }

// Where there is no memory to remember it in, that connection ends.
std::unique_ptr<TakenConnection> keep(int connection) noexcept {
  try {
    return std::make_unique<TakenConnection>(connection);
  } catch (const std::bad_alloc&) {
    ::close(connection);
    return nullptr;
  }
}

}  // namespace

// By whoever reaps. Once the lock is free the request may be gone.
void UringReactor::finish(Request& request, Completion end, std::vector<Ready>& ready) noexcept {
  const bool goes_on = (end.flags & IORING_CQE_F_MORE) != 0;
  std::unique_ptr<TakenConnection> taken;
  if (request.taken != nullptr && end.result >= 0) taken = keep(end.result);
  request.lock.lock();
  if (request.taken != nullptr && end.result >= 0) {
    request.lost_one |= taken == nullptr;
    if (taken != nullptr) request.taken->push(std::move(taken));
    request.ended = !goes_on;
  } else if (goes_on && (request.came || (end.result & request.events) == 0)) {
    request.lock.unlock();
    return;
  } else {
    if (!request.came) request.end = end;
    (goes_on ? request.came : request.ended) = true;
  }
  const WakeToken waiter = std::exchange(request.waiter, {});
  request.lock.unlock();
  if (waiter.fiber == nullptr) return;  // it is awake, and will look before it sleeps
  try {
    ready.push_back({waiter, Wake::kNormal});
  } catch (const std::bad_alloc&) {
    wake_from_driver(waiter, Wake::kNormal);
  }
}

// Executed while it is submitted; so when this returns it cannot hit a later request in the same
// place. It may find that the request has just ended.
void UringReactor::cancel(Ring& ring, const Request& request) noexcept {
  const auto ask = [&](io_uring_sqe& entry) {
    io_uring_prep_cancel(&entry, const_cast<Request*>(&request), 0);
    entry.user_data = Ring::kNobody;
  };
  ring.push_now(ask);
}

namespace {

// The kernel may look for a request to cancel while that is between two of its lists, and not find
// it; so it is asked again.
void wait_for_end(Spinlock& lock) {
  constexpr Nanos kAskAgain = 10'000'000;
  try {
    suspend_until(now() + kAskAgain, &unlock, &lock, Cancellable::kNo);
  } catch (const std::bad_alloc&) {
    suspend(&unlock, &lock, Cancellable::kNo);
  }
}

}  // namespace

// Returns when the request has ended: with kNormal, or with why it was asked to. The lock is held
// until the fiber is asleep: who reaps an early end waits for that.
template <class Prepare>
Wake UringReactor::run(Ring& ring, Request& request, const FdOperation& operation,
                       Prepare prepare) {
  const WakeToken first = current_token(WaitsFor::kDescriptor);
  request.lock.lock();
  const int error = ring.push([&](io_uring_sqe& entry) {
    prepare(entry);
    entry.user_data = reinterpret_cast<std::uintptr_t>(&request);
  });
  if (error != 0) {
    request.lock.unlock();
    request.end.result = -ENOMEM;
    return Wake::kNormal;
  }
  request.waiter = first;
  Wake reason =
      operation.entry().wait_for_close(operation.generation(), request.lock, request.waiter);
  while (reason == Wake::kNormal) {
    const WakeToken again = current_token(WaitsFor::kDescriptor);
    request.lock.lock();
    if (request.ended) {
      request.lock.unlock();
      return reason;
    }
    if (request.came) {
      request.lock.unlock();
      break;
    }
    // From another driver, which watches the descriptor, too.
    request.waiter = again;
    reason = operation.entry().wait_for_close(operation.generation(), request.lock, request.waiter);
  }
  stop(ring, request);
  return reason;
}

// Returns when the request has ended.
void UringReactor::stop(Ring& ring, Request& request) {
  for (bool asked = false;;) {
    const WakeToken again = current_token(WaitsFor::kDescriptor);
    request.lock.lock();
    if (request.ended) {
      request.lock.unlock();
      return;
    }
    if (!asked) {
      request.lock.unlock();
      cancel(ring, request);
      asked = true;
    } else {
      request.waiter = again;
      wait_for_end(request.lock);
      asked = false;
    }
  }
}

IoResult UringReactor::wait_or_do(const FdOperation& operation, Direction direction,
                                  const Handover& handover) {
  Handover::Call call = handover.call;
  bool by_edges = false;
  for (;;) {
    // Here nothing has been begun. Further down one that is pending might meet a call that succeeds
    // at once, again and again, and never be told.
    if (take_cancellation()) throw Cancelled{};
    Request request;
    request.events = by_edges ? kWritable : 0;
    const Wake reason = run(here(), request, operation, [&](io_uring_sqe& entry) {
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

}  // namespace weft::detail
