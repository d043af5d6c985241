#include "reactor/uring_request.h"

#include <weft/error.h>

#include <mutex>
#include <new>

#include "time/clock.h"

namespace weft::detail {

namespace {

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

// Where nobody does it later. False: cancelled, while the kernel took nothing.
bool hand_over(Ring& ring) {
  while (ring.kind() == Ring::Kind::kWatched && ring.flush() != 0) {
    if (yield_now()) return false;
  }
  return true;
}

}  // namespace

// Once the lock is free the request may be gone.
void RingRequest::finish(Completion told, std::vector<Ready>& ready) noexcept {
  const bool goes_on = (told.flags & IORING_CQE_F_MORE) != 0;
  const bool connected = taken != nullptr && told.result >= 0;
  std::unique_ptr<TakenConnection> connection;
  if (connected) connection = keep(told.result);
  lock.lock();
  if (connected) {
    lost_one |= connection == nullptr;
    if (connection != nullptr) taken->push(std::move(connection));
    ended = !goes_on;
  } else if (goes_on && (came || (told.result & events) == 0)) {
    lock.unlock();
    return;
  } else {
    if (!came) end = told;
    (goes_on ? came : ended) = true;
  }
  const WakeToken sleeper = std::exchange(waiter, {});
  lock.unlock();
  if (sleeper.fiber == nullptr) return;  // it is awake, and will look before it sleeps
  try {
    ready.push_back({sleeper, Wake::kNormal});
  } catch (const std::bad_alloc&) {
    wake_from_driver(sleeper, Wake::kNormal);
  }
}

// Until it has ended, or is to stop. The lock is held until the fiber is asleep: who reaps its end
// then waits for that. A wake-up may be another driver's, which watches the descriptor, too.
Wake RingRequest::wait(Ring& ring, const FdOperation& operation) {
  Wake reason = hand_over(ring) ? Wake::kNormal : Wake::kCancelled;
  while (reason == Wake::kNormal) {
    const WakeToken self = current_token(WaitsFor::kDescriptor);
    lock.lock();
    if (ended) {
      lock.unlock();
      return reason;
    }
    if (came) {
      lock.unlock();
      break;
    }
    waiter = self;
    reason = operation.entry().wait_for_close(operation.generation(), lock, waiter);
  }
  stop(ring);
  return reason;
}

void RingRequest::stop(Ring& ring) {
  for (bool asked = false;;) {
    const WakeToken self = current_token(WaitsFor::kDescriptor);
    lock.lock();
    if (ended) {
      lock.unlock();
      return;
    }
    if (!asked) {
      lock.unlock();
      cancel(ring);
      asked = true;
    } else {
      waiter = self;
      wait_for_end(lock);
      asked = false;
    }
  }
}

// Executed while it is submitted, so it cannot hit a later request in the same place; one that the
// kernel has not taken at once might, which would be made again. It may find that the request has
// just ended.
void RingRequest::cancel(Ring& ring) const noexcept {
  const auto ask = [this](io_uring_sqe& entry) {
    io_uring_prep_cancel64(&entry, user_data(), 0);
    entry.user_data = Ring::kNobody;
  };
  if (ring.kind() == Ring::Kind::kSleptIn) return ring.push_now(ask);
  if (ring.push(ask) == 0) ring.flush();  // what fails is done again with the next
}

}  // namespace weft::detail
