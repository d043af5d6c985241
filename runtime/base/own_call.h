#pragma once

namespace weft::detail {

/// Blocking calls of the runtime's own, in a program that has libc's interposed (`runtime/hook/`):
/// within it they block the worker, as they do elsewhere, and do not suspend the fiber. For where
/// one of the runtime's locks is held, which a suspended fiber would keep from all others of its
/// worker. Nothing may suspend within it.
class OwnCall {
 public:
  OwnCall() noexcept { ++depth_; }
  ~OwnCall() { --depth_; }
  OwnCall(const OwnCall&) = delete;
  OwnCall& operator=(const OwnCall&) = delete;

  /// Of the calling thread.
  static bool in_progress() noexcept { return depth_ != 0; }

 private:
  static constinit thread_local unsigned depth_ [[gnu::tls_model("initial-exec")]];
};

}  // namespace weft::detail
