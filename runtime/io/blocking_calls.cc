#include "io/blocking_calls.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/owned_fd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/spinlock.h"
#include "io/pool_call.h"
#include "offload/blocking_pool.h"
#include "reactor/quiet_write.h"
#include "sched/wait.h"

namespace weft::detail {

struct BlockingCalls::Call {
  enum class State : unsigned char { kIdle, kRunning, kDone };

  explicit Call(OwnedFd&& file) noexcept : fd(std::move(file)) {}

  const OwnedFd fd;
  Spinlock lock;
  State state = State::kIdle;  // under lock
  WakeToken waiter;            // under lock
  ssize_t result = 0;          // by the thread while it runs, else under lock
  // By the thread while it runs, else by the fiber. As much as a pipe takes as a whole.
  std::size_t first = 0, last = 0;
  std::array<std::byte, PIPE_BUF> bytes;
};

class BlockingCalls::Job final : public BlockingPool::Job {
 public:
  Job(std::shared_ptr<Call> call, void (*work)(Call&) noexcept) noexcept
      : call_(std::move(call)), work_(work) {}
  void run() noexcept override {
    work_(*call_);
    call_->lock.lock();
    call_->state = Call::State::kDone;
    const WakeToken waiter = std::exchange(call_->waiter, {});
    call_->lock.unlock();
    if (waiter.fiber != nullptr) wake(waiter);
  }

 private:
  const std::shared_ptr<Call> call_;
  void (*const work_)(Call&) noexcept;
};

// ---- On a thread of the pool.

// Asked once more, since the way here took its time: others may have been quicker.
void BlockingCalls::read_now(Call& call) noexcept {
  pollfd asked{call.fd.get(), POLLIN, 0};
  if (::poll(&asked, 1, 0) == 0) {
    call.result = -EAGAIN;
    return;
  }
  do {
    const ssize_t count = ::read(call.fd.get(), call.bytes.data(), call.bytes.size());
    call.result = count >= 0 ? count : -errno;
  } while (call.result == -EINTR);
  call.first = 0;
  call.last = static_cast<std::size_t>(std::max<ssize_t>(call.result, 0));
}

void BlockingCalls::write_now(Call& call) noexcept {
  call.result = 0;
  while (call.first < call.last) {
    const iovec part{call.bytes.data() + call.first, call.last - call.first};
    const ssize_t count = write_quietly(call.fd.get(), &part, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      call.result = -errno;
      return;
    }
    call.first += static_cast<std::size_t>(count);
  }
}

// ---- By the fiber.

// 0 or the error. Not inlined where it has suspended: compilers keep errno's address across calls.
[[gnu::noinline]] int BlockingCalls::make_call(const FdOperation& stream,
                                               std::shared_ptr<Call>& call) {
  OwnedFd copy(::fcntl(stream.fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return errno;
  call = std::make_shared<Call>(std::move(copy));
  return 0;
}

// The call is idle, and nobody else looks at it.
void BlockingCalls::begin(const std::shared_ptr<Call>& call, void (*work)(Call&) noexcept) {
  auto job = std::make_unique<Job>(call, work);
  call->state = Call::State::kRunning;
  try {
    need_pool().submit(std::move(job));
  } catch (...) {
    call->state = Call::State::kIdle;
    throw;
  }
}

// Until the call does not run any more: kNormal; or why it was not waited for.
Wake BlockingCalls::wait_for(Call& call, const FdOperation& stream) {
  for (;;) {
    const WakeToken self = current_token(WaitsFor::kDescriptor);
    call.lock.lock();
    if (call.state != Call::State::kRunning) {
      call.lock.unlock();
      return Wake::kNormal;
    }
    call.waiter = self;
    const Wake reason = stream.entry().wait_for_close(stream.generation(), call.lock, call.waiter);
    if (reason == Wake::kNormal) continue;
    const std::lock_guard lock(call.lock);
    call.waiter = {};
    return reason;
  }
}

ssize_t BlockingCalls::take(Call& call, std::span<std::byte> into) noexcept {
  if (call.first == call.last) {
    call.state = Call::State::kIdle;
    return call.result;
  }
  const std::size_t count = std::min(into.size(), call.last - call.first);
  std::copy_n(call.bytes.begin() + static_cast<std::ptrdiff_t>(call.first), count, into.begin());
  call.first += count;
  if (call.first == call.last) call.state = Call::State::kIdle;
  return static_cast<ssize_t>(count);
}

bool BlockingCalls::has_begun_to_read() const noexcept {
  if (reading_ == nullptr) return false;
  const std::lock_guard lock(reading_->lock);
  return reading_->state != Call::State::kIdle;
}

ssize_t BlockingCalls::read(const FdOperation& stream, std::span<std::byte> into) {
  if (reading_ == nullptr) {
    if (const int error = make_call(stream, reading_)) return -error;
  }
  if (!has_begun_to_read()) begin(reading_, &read_now);
  switch (wait_for(*reading_, stream)) {
    case Wake::kNormal:
      return take(*reading_, into);
    case Wake::kClosed:
      return -ECANCELED;
    default:
      throw Cancelled{};
  }
}

// The result of a call that does not run any more, once.
ssize_t BlockingCalls::take_result(Call& call) noexcept {
  call.state = Call::State::kIdle;
  return std::exchange(call.result, 0);
}

void BlockingCalls::fill(Call& call, std::span<const iovec> parts) noexcept {
  call.first = call.last = 0;
  for (const iovec& part : parts) {
    const std::size_t count = std::min(part.iov_len, call.bytes.size() - call.last);
    std::copy_n(static_cast<const std::byte*>(part.iov_base), count,
                call.bytes.begin() + static_cast<std::ptrdiff_t>(call.last));
    call.last += count;
  }
}

ssize_t BlockingCalls::write(const FdOperation& stream, std::span<const iovec> parts) {
  if (writing_ == nullptr) {
    if (const int error = make_call(stream, writing_)) return -error;
  }
  Call& call = *writing_;
  // One that its fiber has left goes first, and an error of it is told to who writes next.
  switch (wait_for(call, stream)) {
    case Wake::kNormal:
      break;
    case Wake::kClosed:
      return -ECANCELED;
    default:
      throw Cancelled{};
  }
  if (const ssize_t before = take_result(call); before < 0) return before;
  fill(call, parts);
  const auto count = static_cast<ssize_t>(call.last);
  begin(writing_, &write_now);
  switch (wait_for(call, stream)) {
    case Wake::kNormal: {
      const ssize_t result = take_result(call);
      return result < 0 ? result : count;
    }
    case Wake::kClosed:
      return -ECANCELED;
    default:
      put_cancellation_back();
      return count;
  }
}

}  // namespace weft::detail
