#pragma once

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

struct AsyncFdState;

/// How one call of a user's function ended: with errno `error` if it is not 0.
template <class T>
struct CallEnd {
  T result;
  int error;
};

// Not inlined where a fiber suspends: compilers keep errno's address across calls, and afterwards
// it would be another thread's.
template <class F>
[[gnu::noinline]] auto call_once(F& call) -> CallEnd<std::invoke_result_t<F&>> {
  using T = std::invoke_result_t<F&>;
  errno = 0;
  T result = std::invoke(call);
  int error = 0;
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    if (result < 0) error = errno;
  } else {
    if (!static_cast<bool>(result)) error = EAGAIN;
  }
  return {std::move(result), error};
}

}  // namespace detail

/// Waits for a descriptor that somebody else owns and uses: a database library's socket, an
/// eventfd, a timerfd, inotify. It neither reads nor writes, and leaves the descriptor's flags
/// alone.
///
/// It works on a duplicate of its own. So the owner may close theirs at any time, and its number
/// may be given to another file, without misleading anybody here. But what is behind it stays open
/// until the AsyncFd is closed, too: a peer does not see the end of a connection before.
///
/// Any number of fibers may wait at once. The waits suspend and are cancellable, and throw
/// std::logic_error in a plain thread. close() may be called by anyone at any time; the rest is as
/// with Stream.
class AsyncFd {
 public:
  /// Nothing to wait for: every call fails with EBADF.
  AsyncFd() noexcept;
  /// Duplicates `fd`, which errors call `name`, or "descriptor N". Throws std::system_error. May be
  /// called by a plain thread too.
  explicit AsyncFd(int fd, std::string_view name = {});
  AsyncFd(AsyncFd&& other) noexcept;
  AsyncFd& operator=(AsyncFd&& other) noexcept;
  ~AsyncFd();

  /// Returns when a read would not block: there is data, the end, or an error to be told. Asks the
  /// kernel each time, so it does not matter who has read meanwhile; others may be quicker
  /// afterwards. What is always ready, like a file on disk, is ready at once. Throws
  /// std::system_error with ECANCELED if the AsyncFd is closed meanwhile, EBADF if it was before.
  void wait_readable();
  /// The same for a write.
  void wait_writable();

  /// Calls `call()`, again whenever the descriptor is readable, until it has done something, and
  /// returns what it returned. A number: -1 and errno as of a system call; EAGAIN and EINTR mean
  /// that it is to be called again, and anything else is thrown as a std::system_error. Whatever
  /// else converts to bool, like a std::optional: false means that it is to be called again. The
  /// call must not suspend, nor block, for which it is usually enough that the descriptor is
  /// non-blocking. Cancelled, the last call has done nothing.
  template <class F>
  std::invoke_result_t<F&> when_readable(F&& call) {
    return until_done(call, &AsyncFd::wait_readable);
  }
  template <class F>
  std::invoke_result_t<F&> when_writable(F&& call) {
    return until_done(call, &AsyncFd::wait_writable);
  }

  /// Gives up the duplicate, and wakes who waits. Closing again does nothing. Never suspends.
  void close() noexcept;
  bool is_open() const noexcept;

 private:
  template <class F>
  std::invoke_result_t<F&> until_done(F& call, void (AsyncFd::*wait)()) {
    for (bool first = true;; first = false) {
      begin_call(first);
      auto end = detail::call_once(call);
      if (end.error == 0) return std::move(end.result);
      if (end.error == EINTR) continue;
      if (end.error != EAGAIN && end.error != EWOULDBLOCK) throw_error(end.error);
      (this->*wait)();
    }
  }
  void begin_call(bool first) const;
  [[noreturn]] void throw_error(int error) const;
  detail::AsyncFdState& state(const char* operation) const;

  std::unique_ptr<detail::AsyncFdState> state_;
};

/// Waits on `fd`, which stays the caller's: see AsyncFd.
inline AsyncFd async_fd(int fd, std::string_view name = {}) { return AsyncFd(fd, name); }

}  // namespace weft
