#include <weft/stream.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <weft/error.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "io/buffered.h"
#include "io/io_error.h"
#include "io/shared_file.h"
#include "io/stream_state.h"
#include "reactor/reactor.h"

namespace weft {

namespace detail {
namespace {

// Of the calls that one operation makes. What closes the stream between two of them closes it
// meanwhile.
enum class Turn : bool { kFirst, kLater };

// An end of a pipe has one direction only, and refuses the other as if it were closed.
[[noreturn]] void throw_failure(int error, const char* operation, const StreamState& state,
                                Turn turn) {
  if (error == EBADF && state.descriptor.is_open()) {
    throw std::system_error(error, std::system_category(),
                            std::string(operation) + ' ' + state.name() + ": not open for that");
  }
  if (error == EBADF && turn == Turn::kLater) error = ECANCELED;
  throw_io_error(error, operation, state.name());
}

[[gnu::noinline]] IoResult receive_otherwise(Reactor& reactor, const StreamState& state,
                                             std::span<std::byte> into) {
  switch (state.kind) {
    case StreamKind::kUnixSocket:
    case StreamKind::kFile:
      return reactor.read(state.descriptor, into);
    default:
      return read_shared(reactor, state, into);
  }
}

[[gnu::noinline]] IoResult send_otherwise(Reactor& reactor, const StreamState& state,
                                          std::span<const iovec> parts) {
  switch (state.kind) {
    case StreamKind::kUnixSocket:
      return reactor.send(state.descriptor, parts);
    case StreamKind::kFile:
      return reactor.write(state.descriptor, parts);
    default:
      return write_shared(reactor, state, parts);
  }
}

std::size_t receive(StreamState& state, std::span<std::byte> into, Turn turn) {
  Reactor& reactor = need_reactor("read");
  const IoResult result = state.kind == StreamKind::kSocket
                              ? reactor.receive(state.descriptor, into)
                              : receive_otherwise(reactor, state, into);
  if (result.error != 0) throw_failure(result.error, "read from", state, turn);
  return result.count;
}

std::size_t send(StreamState& state, std::span<const iovec> parts, Turn turn) {
  Reactor& reactor = need_reactor("write");
  const IoResult result = state.kind == StreamKind::kSocket ? reactor.send(state.descriptor, parts)
                                                            : send_otherwise(reactor, state, parts);
  if (result.error != 0) throw_failure(result.error, "write to", state, turn);
  return result.count;
}

// What the buffered algorithms read from.
struct SocketSource {
  StreamState& state;
  mutable Turn turn = Turn::kFirst;

  ReadBuffer& received() const noexcept { return state.received; }
  std::size_t receive(std::span<std::byte> into) const {
    return detail::receive(state, into, std::exchange(turn, Turn::kLater));
  }
  std::string name() const { return state.name(); }
  void close() const noexcept { state.descriptor.close(); }
};

// 0 or the error. Not inlined where a fiber has suspended: compilers keep errno's address across
// calls.
[[gnu::noinline]] int shut_down(StreamState& state, Shutdown half) noexcept {
  const FdOperation operation(state.descriptor);
  if (!operation) return EBADF;
  struct stat status {};
  if (::fstat(operation.fd(), &status) != 0) return errno;
  if (S_ISFIFO(status.st_mode)) {
    const int flags = ::fcntl(operation.fd(), F_GETFL);
    if (flags < 0) return errno;
    const int access = flags & O_ACCMODE;
    if (access == O_RDWR) return ENOTSOCK;
    // A pipe's end has one half, and closing is all that tells the other end.
    if (half != (access == O_RDONLY ? Shutdown::kWrite : Shutdown::kRead)) state.descriptor.close();
    return 0;
  }
  int how = SHUT_RDWR;
  if (half == Shutdown::kRead) how = SHUT_RD;
  if (half == Shutdown::kWrite) how = SHUT_WR;
  return ::shutdown(operation.fd(), how) == 0 ? 0 : errno;
}

// Walks over parts that a system call may take any number of bytes from.
class Unsent {
 public:
  explicit Unsent(std::span<const iovec> parts) noexcept : parts_(parts) { skip_empty(); }

  bool done() const noexcept { return parts_.empty(); }
  /// The next parts, as many as one call takes. Valid until sent().
  std::span<const iovec> next() noexcept {
    const std::size_t count = std::min(parts_.size(), batch_.size());
    std::copy_n(parts_.begin(), count, batch_.begin());
    batch_[0].iov_base = static_cast<std::byte*>(batch_[0].iov_base) + offset_;
    batch_[0].iov_len -= offset_;
    return {batch_.data(), count};
  }
  void sent(std::size_t bytes) noexcept {
    offset_ += bytes;
    while (!done() && offset_ >= parts_.front().iov_len) {
      offset_ -= parts_.front().iov_len;
      parts_ = parts_.subspan(1);
    }
  }

 private:
  void skip_empty() noexcept { sent(0); }

  std::span<const iovec> parts_;
  std::size_t offset_ = 0;  // into the first part
  std::array<iovec, Reactor::kMostParts> batch_;
};

}  // namespace
}  // namespace detail

using detail::StreamState;
using detail::Turn;

Stream::Stream() noexcept = default;
Stream::Stream(std::unique_ptr<StreamState>&& state) noexcept : state_(std::move(state)) {}
Stream::Stream(Stream&& other) noexcept = default;
Stream& Stream::operator=(Stream&& other) noexcept = default;
Stream::~Stream() = default;

StreamState& Stream::state(const char* operation) const {
  if (state_ == nullptr) detail::throw_io_error(EBADF, operation, "(none)");
  return *state_;
}

// ---- Reading.

std::size_t Stream::read_some(std::span<std::byte> into) {
  StreamState& self = state("read from");
  if (into.empty()) return 0;
  return self.received.empty() ? detail::receive(self, into, Turn::kFirst)
                               : self.received.take(into);
}

void Stream::read_exactly(std::span<std::byte> into) {
  detail::read_exactly(detail::SocketSource{state("read from")}, into);
}

std::string Stream::read_until(std::string_view delimiter, std::size_t limit) {
  return detail::read_until(detail::SocketSource{state("read from")}, delimiter, limit);
}

std::optional<std::string> Stream::read_line(std::size_t limit) {
  return detail::read_line(detail::SocketSource{state("read from")}, limit);
}

std::string Stream::read_to_end(std::size_t limit) {
  return detail::read_to_end(detail::SocketSource{state("read from")}, limit);
}

// ---- Writing.

std::size_t Stream::write_some(std::span<const std::byte> data) {
  StreamState& self = state("write to");
  if (data.empty()) return 0;
  const iovec part{const_cast<std::byte*>(data.data()), data.size()};
  return detail::send(self, {&part, 1}, Turn::kFirst);
}

void Stream::write_all(std::span<const std::byte> data) {
  StreamState& self = state("write to");
  for (Turn turn = Turn::kFirst; !data.empty(); turn = Turn::kLater) {
    const iovec part{const_cast<std::byte*>(data.data()), data.size()};
    data = data.subspan(detail::send(self, {&part, 1}, turn));
  }
}

void Stream::write_all(std::string_view text) { write_all(std::as_bytes(std::span(text))); }

void Stream::write_all(std::span<const iovec> parts) {
  StreamState& self = state("write to");
  detail::Unsent unsent(parts);
  for (Turn turn = Turn::kFirst; !unsent.done(); turn = Turn::kLater) {
    unsent.sent(detail::send(self, unsent.next(), turn));
  }
}

// ---- The end.

void Stream::shutdown(Shutdown half) {
  StreamState& self = state("shut down");
  if (const int error = detail::shut_down(self, half)) {
    detail::throw_io_error(error, "shut down", self.name());
  }
}

void Stream::close() noexcept {
  if (state_ != nullptr) state_->descriptor.close();
}

bool Stream::is_open() const noexcept { return state_ != nullptr && state_->descriptor.is_open(); }

int Stream::native_handle() const noexcept { return is_open() ? state_->descriptor.fd() : -1; }

}  // namespace weft
