#pragma once

// Buffers that are transferred in several goes.

#include <limits.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace weft::hook {

class Parts {
 public:
  /// `parts` stays the caller's.
  explicit Parts(std::span<const iovec> parts) noexcept : left_(parts) {}

  /// Whether the kernel would take them at all.
  static bool are_valid(const iovec* parts, long count) noexcept {
    return parts != nullptr && count > 0 && count <= IOV_MAX;
  }

  std::size_t size() const noexcept {
    std::size_t sum = 0;
    for (const iovec& part : left_) sum += part.iov_len;
    return sum - skipped_;
  }

  /// What is left: all of it until something was transferred, then as many parts of it as fit here.
  std::span<const iovec> left() noexcept {
    if (skipped_ == 0) return left_;
    const std::size_t count = std::min(left_.size(), window_.size());
    std::copy_n(left_.begin(), count, window_.begin());
    window_[0].iov_base = static_cast<std::byte*>(window_[0].iov_base) + skipped_;
    window_[0].iov_len -= skipped_;
    return std::span(window_).first(count);
  }

  void skip(std::size_t bytes) noexcept {
    if (bytes == 0)
      return;  // empty parts stay until something is transferred: some files mind them
    skipped_ += bytes;
    while (!left_.empty() && skipped_ >= left_[0].iov_len) {
      skipped_ -= left_[0].iov_len;
      left_ = left_.subspan(1);
    }
  }

 private:
  std::span<const iovec> left_;
  std::size_t skipped_ = 0;  // of the first
  std::array<iovec, 16> window_;
};

}  // namespace weft::hook
