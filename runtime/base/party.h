#pragma once

// When a worker is the process's solo thread; what that is: <weft/detail/solo.h>.

#include <cstdint>

namespace weft::detail {

/// What the calling thread is to the words that many may change.
enum class Party : std::uint8_t {
  kNewcomer,  ///< Has not tried to change any.
  kOneOfMany,
  kSolo,
};
Party party() noexcept;

/// Before a runtime starts threads of its own. What this prepares takes some 20 ms in a process
/// that has other threads already, so there it prepares nothing, and nobody will be solo.
void prepare_solo() noexcept;

/// Within it a worker is the solo thread, if it `may` be, none is, and no other has been here.
/// Otherwise it is one of many from the first.
class SoloScope {
 public:
  explicit SoloScope(bool may) noexcept;
  ~SoloScope();
  SoloScope(const SoloScope&) = delete;
  SoloScope& operator=(const SoloScope&) = delete;
};

}  // namespace weft::detail
