#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::detail {

class ChannelCore;

/// One of the things that a select may do. In the frame of the select; nothing is allocated.
struct SelectCase {
  SelectCase() = default;
  SelectCase(ChannelCore* with, void* what, bool is_send) noexcept
      : channel(with), item(what), sends(is_send) {}

  ChannelCore* channel = nullptr;  // null: never
  void* item = nullptr;            // a T to send, or where to: a std::optional<T>
  bool sends = false;

  // Of the selection itself, sync/select.cc. The first two are lists of all cases, of which each
  // case holds one place.
  SelectCase* in_turn = nullptr;
  SelectCase* by_address = nullptr;
  alignas(8) std::byte waiter[72];
};

inline constexpr std::size_t kNoCase = ~std::size_t{0};

/// Does one of them, and returns which; one of those that can be done at once, if there are any,
/// each as likely as the other. Else suspends until one can be done, or until `deadline`: kNoCase.
/// Throws ChannelClosed for a case that sends, Cancelled, std::bad_alloc, and then has done none.
std::size_t select_case(std::span<SelectCase> cases, std::int64_t deadline);
/// The same, but kNoCase instead of suspending.
std::size_t select_case_now(std::span<SelectCase> cases);

}  // namespace weft::detail
