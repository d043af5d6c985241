#pragma once

namespace weft {

/// While one exists, the fiber that made it stays on its worker, and so on one thread: for code
/// that keys on the thread (thread-locals, locks of pthreads, libraries that remember their
/// caller). Scopes nest. Made and destroyed by the same fiber; in a plain thread it does nothing.
/// Suspending is allowed.
class PinScope {
 public:
  PinScope() noexcept;
  ~PinScope();
  PinScope(const PinScope&) = delete;
  PinScope& operator=(const PinScope&) = delete;
};

}  // namespace weft
