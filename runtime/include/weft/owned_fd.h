#pragma once

#include <utility>

namespace weft {

/// A descriptor with one owner, who closes it by dying. Nothing of weft waits on it: hand it to
/// what does (TcpStream::adopt, AsyncFd), or use it yourself. Never suspends.
class OwnedFd {
 public:
  OwnedFd() noexcept = default;
  /// Takes `fd` over; -1 is none.
  explicit OwnedFd(int fd) noexcept : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~OwnedFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Gives it up unclosed.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes it, and takes another over.
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

}  // namespace weft
