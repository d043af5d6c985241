// Connections that the kernel takes without being asked for each: one request that goes on
// (multishot) for as long as its fiber takes all that come.

#include <sys/socket.h>
#include <unistd.h>
#include <weft/error.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "reactor/uring.h"

namespace weft::detail {

class UringReactor::MultishotAccept final : public Acceptor {
 public:
  MultishotAccept(UringReactor& reactor, const Descriptor& listener)
      : reactor_(reactor), operation_(listener) {
    request_.ended = true;
    request_.taken = &taken_;
  }
  ~MultishotAccept() override { MultishotAccept::rest(); }

  IoResult next(sockaddr* peer, socklen_t& size) override;
  void rest() override {
    if (ring_ != nullptr) request_.stop(*ring_);
  }

 private:
  int begin() noexcept;

  UringReactor& reactor_;
  const FdOperation operation_;  // keeps the number, until the kernel has let go of it
  Ring* ring_ = nullptr;         // where the request was handed over last
  bool took_any_ = false;        // since then
  TakenConnections taken_;       // under request_.lock
  RingRequest request_;
};

namespace {

// Of one that has gone already nobody can tell who it was; what it has said can be read. Not
// inlined where a fiber has suspended: compilers keep errno's address across calls.
[[gnu::noinline]] int ask_for_peer(int connection, sockaddr* peer, socklen_t& size) noexcept {
  if (::getpeername(connection, peer, &size) == 0) return 0;
  size = 0;
  return errno == ENOTCONN ? 0 : errno;
}

}  // namespace

IoResult UringReactor::MultishotAccept::next(sockaddr* peer, socklen_t& size) {
  if (spend_budget()) throw Cancelled{};
  for (;;) {
    if (!operation_) return {.error = EBADF};
    const WakeToken waiter = current_token(WaitsFor::kDescriptor);
    request_.lock.lock();
    if (const std::unique_ptr<TakenConnection> taken = taken_.pop()) {
      request_.lock.unlock();
      took_any_ = true;
      if (const int error = ask_for_peer(taken->number, peer, size)) return {.error = error};
      return {.count = static_cast<std::size_t>(std::exchange(taken->number, -1))};
    }
    if (std::exchange(request_.lost_one, false)) {
      request_.lock.unlock();
      return {.error = ENOMEM};
    }
    if (request_.ended) {
      request_.lock.unlock();
      // What ended it may have passed while those that came before were being served.
      const int result = std::exchange(request_.end, {}).result;
      if (is_failure(result) && !took_any_) return {.error = -result};
      if (take_cancellation()) throw Cancelled{};
      if (const int error = begin()) return {.error = error};
      continue;
    }
    request_.waiter = waiter;
    const Wake reason =
        operation_.entry().wait_for_close(operation_.generation(), request_.lock, request_.waiter);
    if (reason == Wake::kClosed) return {.error = ECANCELED};
    if (reason != Wake::kNormal) throw Cancelled{};
  }
}

// 0, or an errno.
int UringReactor::MultishotAccept::begin() noexcept {
  Ring& ring = reactor_.rings_.here();
  request_.ended = took_any_ = false;
  const int error = ring.push([this](io_uring_sqe& entry) {
    io_uring_prep_multishot_accept(&entry, operation_.fd(), nullptr, nullptr,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    entry.user_data = request_.user_data();
  });
  if (error != 0) {
    request_.ended = true;
    return ENOMEM;
  }
  ring_ = &ring;
  return 0;
}

std::unique_ptr<Acceptor> UringReactor::accept_all(const Descriptor& listener) {
  if (!is_complete()) return nullptr;
  return std::make_unique<MultishotAccept>(*this, listener);
}

}  // namespace weft::detail
