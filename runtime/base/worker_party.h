#pragma once

// What a worker is to the words that many may change: see <weft/detail/solo.h>.

#include <cstdint>

namespace weft::detail {

/// Of one worker, on its thread. Without the right to be solo it is as any thread.
///
/// Each end by a newcomer costs both some microseconds, so to begin anew pays only where others
/// sleep for long. A worker that is about to has seen them asleep for `patience_` looks in a row:
/// twice as many the next time if somebody came soon, half as many if not.
class WorkerParty {
 public:
  /// Whether all other workers of its runtime sleep. It loads that seq_cst, and they say so,
  /// seq_cst, before they sleep and when they wake.
  using OthersSleep = bool (*)(const void* runtime) noexcept;

  void begin(bool may, std::uint32_t id, OthersSleep others_sleep, const void* runtime) noexcept;
  void end() noexcept;
  /// Before it runs fibers: it changes words from here on.
  void arrive() noexcept;
  /// After it has said that it will sleep, and before it looks for work again.
  void settle() const noexcept;
  /// After others could have found it asleep, and before it changes a word.
  void wake_up() noexcept;
  /// Now and then, between fibers.
  void look_around() noexcept {
    if (may_) look_around_slowly();
  }

 private:
  void look_around_slowly() noexcept;
  void begin_solo() noexcept;
  void learn_from_end() noexcept;

  OthersSleep others_sleep_ = nullptr;
  const void* runtime_ = nullptr;
  std::uint32_t id_ = 0;
  bool may_ = false;
  bool was_solo_ = false;  // and has not noticed an end of it
  unsigned seen_alone_ = 0;
  unsigned looks_as_solo_ = 0;
  unsigned patience_ = 0;
};

}  // namespace weft::detail
