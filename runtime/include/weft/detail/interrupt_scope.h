#pragma once

namespace weft::detail {

/// SIGINT, while a runtime runs a main task. Counted: the first one made installs a handler where
/// the program left the signal at its default, the last one puts the default back.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// Whether the signal has come since.
  bool interrupted() const noexcept;

 private:
  unsigned before_;
};

}  // namespace weft::detail
