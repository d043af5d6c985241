#pragma once

#include <cstdint>

namespace weft::detail {

/// A number below `bound`, which is not zero, for a choice that is to be fair. From any thread;
/// each has a stream of its own.
std::uint32_t random_below(std::uint32_t bound) noexcept;

}  // namespace weft::detail
