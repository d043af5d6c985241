#pragma once

// When a worker is the process's solo thread; what that is: <weft/detail/solo.h>.

#include <cstdint>

namespace weft::detail {

class Solo;

/// What the calling thread is to the words that many may change.
enum class Party : std::uint8_t {
  kNewcomer,  ///< Has not tried to change any, as a worker not since it woke.
  kOneOfMany,
  kSolo,
};
Party party() noexcept;

/// Of a plain thread that will change no word for a while: it is a newcomer again.
void leave_party() noexcept;

/// The right of one runtime to have a solo thread among its workers: the first that asks has it,
/// while it is there.
class SoloRight {
 public:
  SoloRight() noexcept;
  ~SoloRight();
  SoloRight(const SoloRight&) = delete;
  SoloRight& operator=(const SoloRight&) = delete;
  explicit operator bool() const noexcept { return granted_; }
  /// What has to be done before anybody is solo. Made before a runtime starts threads of its own,
  /// a right does it at once; in a process that has other threads it takes some 20 ms, and is left
  /// to who has the time.
  void prepare() const noexcept;

 private:
  bool granted_;
};

/// The parts of that of which models have their own.
Solo& solo_of_process() noexcept;
bool solo_is_prepared() noexcept;
/// Null: one of many.
void change_words_by(Solo* solo) noexcept;
void begin_as_newcomer() noexcept;
/// As a worker, that is: one that comes stays only while it is awake.
void count_as_worker(bool is_worker) noexcept;

}  // namespace weft::detail
