#pragma once

namespace weft::detail {

/// SIGINT, while a runtime runs a main task. Counted: the first one made installs a handler where
/// the program left the signal at its default, the last one puts the default back, and leaves to
/// that a signal upon which nobody acted, as one that came when the main tasks had ended.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// Whether the signal has come since.
  bool interrupted() const noexcept;
  /// The caller does what the signal asks for.
  void act() const noexcept;

 private:
  unsigned before_;
};

}  // namespace weft::detail
