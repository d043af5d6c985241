#include <weft/async_fd.h>

#include <fcntl.h>
#include <weft/error.h>

#include <cerrno>

#include "io/io_error.h"
#include "reactor/reactor.h"
#include "sched/wait.h"

namespace weft {

namespace detail {

struct AsyncFdState {
  AsyncFdState(Descriptor&& owned, std::string what)
      : descriptor(std::move(owned)), name(std::move(what)) {}

  Descriptor descriptor;
  const std::string name;
};

namespace {

// The number or the negative errno. Not inlined where a fiber has suspended: compilers keep errno's
// address across calls.
[[gnu::noinline]] int duplicate(int fd) noexcept {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy >= 0 ? copy : -errno;
}

void wait_ready(AsyncFdState& state, Direction direction, const char* operation) {
  const IoResult result = need_reactor(operation).wait_ready(state.descriptor, direction);
  // EPERM: it is always ready.
  if (result.error != 0 && result.error != EPERM) {
    throw_io_error(result.error, operation, state.name);
  }
}

}  // namespace
}  // namespace detail

using detail::AsyncFdState;

AsyncFd::AsyncFd() noexcept = default;
AsyncFd::AsyncFd(AsyncFd&& other) noexcept = default;
AsyncFd& AsyncFd::operator=(AsyncFd&& other) noexcept = default;
AsyncFd::~AsyncFd() = default;

AsyncFd::AsyncFd(int fd, std::string_view name) {
  std::string called = name.empty() ? "descriptor " + std::to_string(fd) : std::string(name);
  const int copy = detail::duplicate(fd);
  if (copy < 0) detail::throw_io_error(-copy, "wait on", called);
  state_ = std::make_unique<AsyncFdState>(detail::Descriptor(copy), std::move(called));
}

AsyncFdState& AsyncFd::state(const char* operation) const {
  if (state_ == nullptr) detail::throw_io_error(EBADF, operation, "(none)");
  return *state_;
}

void AsyncFd::wait_readable() {
  detail::wait_ready(state("wait to read from"), detail::Direction::kRead, "wait to read from");
}

void AsyncFd::wait_writable() {
  detail::wait_ready(state("wait to write to"), detail::Direction::kWrite, "wait to write to");
}

// Who never has to wait must let others run, and be cancellable, all the same.
void AsyncFd::begin_call(bool first) const {
  const AsyncFdState& self = state("call on");
  detail::need_reactor("call on a descriptor");
  if (!self.descriptor.is_open()) {
    detail::throw_io_error(first ? EBADF : ECANCELED, "call on", self.name);
  }
  if (detail::spend_budget()) throw Cancelled{};
}

void AsyncFd::throw_error(int error) const {
  throw std::system_error(error, std::system_category(), "call on " + state("call on").name);
}

void AsyncFd::close() noexcept {
  if (state_ != nullptr) state_->descriptor.close();
}

bool AsyncFd::is_open() const noexcept { return state_ != nullptr && state_->descriptor.is_open(); }

}  // namespace weft
