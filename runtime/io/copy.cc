// From a stream to a stream or a file. splice(2) moves pages between a pipe and something else;
// where neither end is a pipe, a pipe of our own goes between. What is in that pipe, or in the
// buffer where the kernel refuses, has been taken from the one and not been given to the other: if
// it ends there, it goes back to where `from` keeps what it has received and was not asked for.

#include <weft/copy.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/owned_fd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "io/file_operations.h"
#include "io/file_state.h"
#include "io/io_error.h"
#include "io/pool_call.h"
#include "io/stream_state.h"
#include "reactor/quiet_write.h"
#include "sched/mask_scope.h"
#include "sched/wait.h"

namespace weft {

namespace detail {
namespace {

// What one call moves at most. A write to a disk cannot be interrupted.
constexpr std::size_t kMostAtOnce = std::size_t{256} * 1024;
constexpr std::size_t kBuffer = std::size_t{64} * 1024;

// Those that look at errno are not inlined where a fiber suspends: compilers keep its address
// across calls.

[[gnu::noinline]] IoResult splice_at_once(int from, int to, off_t* offset,
                                          std::size_t count) noexcept {
  for (;;) {
    const ssize_t moved = splice_quietly(from, to, offset, count);
    if (moved >= 0) return {.count = static_cast<std::size_t>(moved)};
    if (errno != EINTR) return {.error = errno};
  }
}

// The kernel does not splice these two, or this build's filter does not let it.
bool is_refused(int error) noexcept {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EPERM;
}

enum class Kind : std::uint8_t { kPipe, kSocket, kOther };

[[gnu::noinline]] Kind kind_of(const StreamState& state) noexcept {
  if (state.kind == StreamKind::kSocket || state.kind == StreamKind::kUnixSocket) {
    return Kind::kSocket;
  }
  if (state.kind != StreamKind::kFile) return Kind::kOther;
  const FdOperation operation(state.descriptor);
  struct stat status {};
  const bool is_pipe =
      operation && ::fstat(operation.fd(), &status) == 0 && S_ISFIFO(status.st_mode);
  return is_pipe ? Kind::kPipe : Kind::kOther;
}

// ---- Where it goes.

class StreamSink {
 public:
  explicit StreamSink(Stream& stream)
      : stream_(stream), state_(StreamAccess::state(stream, "copy to")), kind_(kind_of(state_)) {}

  std::string name() const { return state_.name(); }
  bool is_open() const noexcept { return state_.descriptor.is_open(); }
  bool is_pipe() const noexcept { return kind_ == Kind::kPipe; }
  bool takes_pages() const noexcept { return kind_ != Kind::kOther; }
  static constexpr bool kIsSlow = false;
  std::size_t write(std::span<const std::byte> data) { return stream_.write_some(data); }
  IoResult splice(int from, std::size_t count) {
    const FdOperation operation(state_.descriptor);
    if (!operation) return {.error = EBADF};
    return splice_at_once(from, operation.fd(), nullptr, count);
  }
  IoResult wait() { return need_reactor("copy").wait_ready(state_.descriptor, Direction::kWrite); }

 private:
  Stream& stream_;
  const StreamState& state_;
  const Kind kind_;
};

// Writes wait for the disk. They cannot be cancelled, so that it is known what they have done.
class FileSink {
 public:
  explicit FileSink(File& file) : state_(file.state("copy to")) { state_.ahead = {}; }

  std::string name() const { return state_.name(); }
  bool is_open() const noexcept { return state_.descriptor.is_open(); }
  static bool is_pipe() noexcept { return false; }
  static bool takes_pages() noexcept { return true; }  // or the kernel will say that it does not
  static constexpr bool kIsSlow = true;
  std::size_t write(std::span<const std::byte> data) {
    if (take_cancellation()) throw Cancelled{};
    const MaskScope mask;
    const IoResult result = file_operations().write_at(state_.descriptor, data, state_.position);
    if (result.error != 0) throw_io_error(result.error, "write", name());
    state_.position += result.count;
    return result.count;
  }
  IoResult splice(int from, std::size_t count) {
    if (take_cancellation()) throw Cancelled{};
    const FdOperation operation(state_.descriptor);
    if (!operation) return {.error = EBADF};
    IoResult result;
    auto offset = static_cast<off_t>(state_.position);
    on_pool([&]() noexcept { result = splice_at_once(from, operation.fd(), &offset, count); },
            Cancellable::kNo);
    state_.position += result.count;
    return result;
  }
  static IoResult wait() { return {}; }

 private:
  FileState& state_;
};

// ---- How it goes.

// Bytes on their way through a pipe of ours.
class Relay {
 public:
  explicit Relay(StreamState& from) noexcept : from_(from) {}
  ~Relay() { give_back(); }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // With a pipe of the usual 64 KiB, which the fragments of a socket fill long before, this costs
  // more than to copy: where the kernel gives no larger one, there is none.
  [[gnu::noinline]] bool open() noexcept {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    out_.reset(ends[0]);
    in_.reset(ends[1]);
    return ::fcntl(in_.get(), F_SETPIPE_SZ, static_cast<int>(kMostAtOnce)) >= 0;
  }
  int in() const noexcept { return in_.get(); }
  int out() const noexcept { return out_.get(); }
  void took(std::size_t count) noexcept { held_ += count; }
  void gave(std::size_t count) noexcept { held_ -= count; }
  std::size_t held() const noexcept { return held_; }

  /// To who reads next. A gap that nobody sees would be worse than an end.
  void give_back() noexcept {
    try {
      while (held_ > 0) {
        const std::span<std::byte> room = from_.received.room(held_, held_);
        const ssize_t got = ::read(out_.get(), room.data(), held_);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        from_.received.commit(static_cast<std::size_t>(got));
        held_ -= static_cast<std::size_t>(got);
      }
    } catch (const std::bad_alloc&) {
    }
    if (std::exchange(held_, 0) > 0) from_.descriptor.close();
  }

 private:
  StreamState& from_;
  OwnedFd in_, out_;
  std::size_t held_ = 0;
};

template <class Sink>
class Copying {
 public:
  Copying(Stream& from, Sink&& to, std::uint64_t count)
      : from_(from),
        source_(StreamAccess::state(from, "copy from")),
        to_(std::move(to)),
        count_(count) {}

  std::uint64_t run() {
    return told_of_close([this] { return source_.descriptor.is_open() && to_.is_open(); }, "copy",
                         [this] { return names(); },
                         [this] {
                           give_received();
                           if (left() > 0 && !splice_all()) pass_all();
                           return done_;
                         });
  }

 private:
  std::string names() const { return source_.name() + " to " + to_.name(); }
  std::size_t left() const noexcept {
    return static_cast<std::size_t>(std::min<std::uint64_t>(count_ - done_, kMostAtOnce));
  }

  // What is in the buffer leaves it when it has been written.
  void give_received() {
    ReadBuffer& received = source_.received;
    while (!received.empty() && left() > 0) {
      const std::string_view text = received.text().substr(0, left());
      const std::size_t count = to_.write(std::as_bytes(std::span(text)));
      received.drop(count);
      done_ += count;
    }
  }

  // These return false where the kernel does not do it. What is left then is still in the source,
  // or in its buffer.

  bool splice_all() {
    const Kind kind = kind_of(source_);
    if (kind == Kind::kOther || !to_.takes_pages()) return false;
    return kind == Kind::kPipe || to_.is_pipe() ? splice_directly() : splice_by_relay();
  }

  bool splice_directly() {
    if (Sink::kIsSlow) wait_for_source();
    while (left() > 0) {
      if (spend_budget()) throw Cancelled{};
      const IoResult moved = from_source([&](int fd) { return to_.splice(fd, left()); });
      if (is_refused(moved.error)) return false;
      if (moved.error == EAGAIN) {
        // Either of them.
        wait_for_source();
        wait_for_sink();
        continue;
      }
      check(moved);
      if (moved.count == 0) break;
      done_ += moved.count;
    }
    return true;
  }

  bool splice_by_relay() {
    Relay relay(source_);
    if (!relay.open()) return false;
    while (left() > 0) {
      if (spend_budget()) throw Cancelled{};
      const IoResult taken =
          from_source([&](int fd) { return splice_at_once(fd, relay.in(), nullptr, left()); });
      if (is_refused(taken.error)) return false;
      if (taken.error == EAGAIN) {
        wait_for_source();
        continue;
      }
      check(taken);
      if (taken.count == 0) break;
      relay.took(taken.count);
      if (!empty(relay)) return false;
    }
    return true;
  }

  bool empty(Relay& relay) {
    while (relay.held() > 0) {
      const IoResult given = to_.splice(relay.out(), relay.held());
      if (is_refused(given.error)) {
        relay.give_back();
        give_received();
        return false;
      }
      if (given.error == EAGAIN) {
        wait_for_sink();
        continue;
      }
      check(given);
      relay.gave(given.count);
      done_ += given.count;
    }
    return true;
  }

  void pass_all() {
    ReadBuffer& received = source_.received;
    while (left() > 0) {
      const std::size_t most = std::min(left(), kBuffer);
      const std::size_t count = from_.read_some(received.room(most, most));
      if (count == 0) break;
      received.commit(count);
      give_received();
    }
    received.release();
  }

  template <class Call>
  IoResult from_source(Call call) {
    const FdOperation operation(source_.descriptor);
    if (!operation) return {.error = EBADF};
    return call(operation.fd());
  }
  void wait_for_source() {
    check(need_reactor("copy").wait_ready(source_.descriptor, Direction::kRead));
  }
  void wait_for_sink() { check(to_.wait()); }
  void check(const IoResult& result) const {
    if (result.error == 0) return;
    throw_io_error(result.error, "copy", names());
  }

  Stream& from_;
  StreamState& source_;
  Sink to_;
  const std::uint64_t count_;
  std::uint64_t done_ = 0;
};

}  // namespace
}  // namespace detail

std::uint64_t copy(Stream& from, Stream& to, std::uint64_t count) {
  detail::need_reactor("copy");
  return detail::Copying(from, detail::StreamSink(to), count).run();
}

std::uint64_t copy(Stream& from, File& to, std::uint64_t count) {
  detail::need_reactor("copy");
  return detail::Copying(from, detail::FileSink(to), count).run();
}

}  // namespace weft
