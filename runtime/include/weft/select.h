#pragma once

#include <weft/channel.h>
#include <weft/detail/select_core.h>
#include <weft/detail/wrong_use.h>
#include <weft/sleep.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

struct DoNothing {
  template <class... A>
  void operator()(A&&... /*unused*/) const noexcept {}
};

/// What select() takes; made by the functions below, in the call of select().
struct AnySelectCase {
  static constexpr bool kWaitsForChannel = false;
  static constexpr bool kWaitsForTime = false;
  static constexpr bool kIsDefault = false;

  static bool may_be_ready() noexcept { return false; }
  static bool take_short_way() noexcept { return false; }
};

template <class T, class F>
struct ReceiveCase : AnySelectCase {
  static constexpr bool kWaitsForChannel = true;
  ReceiveCase(ChannelCore& channel, F function)
      : from(&channel), handler(std::forward<F>(function)) {}
  /// False: the case is never chosen.
  ReceiveCase&& when(bool enabled) && noexcept {
    if (!enabled) from = nullptr;
    return std::move(*this);
  }
  SelectCase entry() noexcept { return {from, &item, false}; }
  bool may_be_ready() const noexcept { return from != nullptr && from->may_be_ready(false); }
  bool take_short_way() noexcept {
    if (!from->try_lock_open()) return false;
    if (take_item(*from, item)) return true;
    from->unlock_open();
    return false;
  }
  void run() { std::forward<F>(handler)(std::move(item)); }

  ChannelCore* from;
  F handler;
  std::optional<T> item;
};

template <class T, class Item, class F>
struct SendCase : AnySelectCase {
  static constexpr bool kWaitsForChannel = true;
  SendCase(ChannelCore& channel, Item what, F function)
      : to(&channel), item(static_cast<Item>(what)), handler(std::forward<F>(function)) {}
  SendCase&& when(bool enabled) && noexcept {
    if (!enabled) to = nullptr;
    return std::move(*this);
  }
  SelectCase entry() noexcept { return {to, std::addressof(item), true}; }
  bool may_be_ready() const noexcept { return to != nullptr && to->may_be_ready(true); }
  bool take_short_way() noexcept {
    if (!to->try_lock_open()) return false;
    if (put_item(*to, item)) return true;
    to->unlock_open();
    return false;
  }
  void run() { std::forward<F>(handler)(); }

  ChannelCore* to;
  Item item;  // T&&, the caller's own; or T, a copy
  F handler;
};

template <class F>
struct TimeoutCase : AnySelectCase {
  static constexpr bool kWaitsForTime = true;
  TimeoutCase(std::int64_t until, F function)
      : deadline(until), handler(std::forward<F>(function)) {}
  void run() { std::forward<F>(handler)(); }

  std::int64_t deadline;
  F handler;
};

template <class F>
struct DefaultCase : AnySelectCase {
  static constexpr bool kIsDefault = true;
  explicit DefaultCase(F function) : handler(std::forward<F>(function)) {}
  void run() { std::forward<F>(handler)(); }

  F handler;
};

struct SelectAccess {
  template <class T>
  static ChannelCore& core_of(Channel<T>& channel) noexcept {
    return channel.core_;
  }
};

/// The cases of one call of select(), by their places in it.
template <class... Cases>
class Selected {
 public:
  static constexpr std::size_t kCount = sizeof...(Cases);
  static constexpr std::size_t kDefaults = (std::size_t{Cases::kIsDefault} + ... + 0);
  static constexpr std::size_t kChannels = (std::size_t{Cases::kWaitsForChannel} + ... + 0);
  static constexpr std::size_t kTimes = (std::size_t{Cases::kWaitsForTime} + ... + 0);

  explicit Selected(Cases&... cases) { (add(cases), ...); }

  std::size_t choose() {
    const std::span<SelectCase> entries(entries_.data(), kChannels);
    const std::size_t ready =
        kDefaults != 0 ? select_case_now(entries) : select_case(entries, deadline_);
    return ready != kNoCase ? places_[ready] : otherwise_;
  }

 private:
  template <class Case>
  void add(Case& one) {
    const std::size_t place = seen_++;
    if constexpr (Case::kWaitsForChannel) {
      places_[used_] = place;
      entries_[used_++] = one.entry();
    } else if constexpr (Case::kWaitsForTime) {
      if (otherwise_ != kNoCase && deadline_ <= one.deadline) return;
      deadline_ = one.deadline;
      otherwise_ = place;
    } else {
      otherwise_ = place;
    }
  }

  std::array<SelectCase, kChannels == 0 ? 1 : kChannels> entries_;
  std::array<std::size_t, kChannels == 0 ? 1 : kChannels> places_{};
  std::size_t seen_ = 0;
  std::size_t used_ = 0;
  std::size_t otherwise_ = kNoCase;  // the first time-out, or the default
  std::int64_t deadline_ = std::numeric_limits<std::int64_t>::max();
};

/// Where one case alone seems to be ready, and nobody waits there: does it, and returns its place.
/// Else kNoCase. The way that most take, so it is all in sight of the compiler.
template <class... Cases>
std::size_t take_only_candidate(Cases&... cases) noexcept {
  const std::array<bool, sizeof...(Cases)> candidates{cases.may_be_ready()...};
  std::size_t count = 0;
  std::size_t only = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i]) continue;
    only = i;
    ++count;
  }
  if (count != 1) return kNoCase;
  std::size_t place = 0;
  bool taken = false;
  ((taken = taken || (place++ == only && cases.take_short_way())), ...);
  return taken ? only : kNoCase;
}

template <class Case>
inline constexpr bool kIsSelectCase = std::is_base_of_v<AnySelectCase, Case>;

}  // namespace detail

/// A case of select(): receives an item, then calls `handler(std::optional<T>)`, with none if the
/// channel is closed and empty. From then on it is always ready: `.when(false)` switches it off.
template <class T, class F = detail::DoNothing>
detail::ReceiveCase<T, F> receive_from(Channel<T>& channel, F&& handler = F()) {
  static_assert(std::is_invocable_v<F, std::optional<T>>,
                "weft::receive_from: the handler takes a std::optional<T>, empty when the channel "
                "has been closed");
  return {detail::SelectAccess::core_of(channel), std::forward<F>(handler)};
}

/// A case of select(): sends `item`, then calls `handler()`. The item is moved from if it is sent,
/// and otherwise untouched.
template <class T, class F = detail::DoNothing>
detail::SendCase<T, T&&, F> send_to(Channel<T>& channel, std::type_identity_t<T>&& item,
                                    F&& handler = F()) {
  static_assert(std::is_invocable_v<F>, "weft::send_to: the handler takes no arguments");
  return {detail::SelectAccess::core_of(channel), std::move(item), std::forward<F>(handler)};
}
/// The same with a copy.
template <class T, class F = detail::DoNothing>
detail::SendCase<T, T, F> send_to(Channel<T>& channel, const std::type_identity_t<T>& item,
                                  F&& handler = F()) {
  static_assert(std::is_invocable_v<F>, "weft::send_to: the handler takes no arguments");
  return {detail::SelectAccess::core_of(channel), item, std::forward<F>(handler)};
}

/// A case of select(): when nothing else could be done for that long, calls `handler()`. Zero or
/// less: after others have been let run once.
template <class Rep, class Period, class F = detail::DoNothing>
detail::TimeoutCase<F> after(std::chrono::duration<Rep, Period> span, F&& handler = F()) {
  static_assert(std::is_invocable_v<F>, "weft::after: the handler takes no arguments");
  return {detail::deadline_in(detail::to_span(span)), std::forward<F>(handler)};
}

/// A case of select(): when nothing else can be done at once, calls `handler()`. With it select()
/// never suspends.
template <class F = detail::DoNothing>
detail::DefaultCase<F> otherwise(F&& handler = F()) {
  static_assert(std::is_invocable_v<F>, "weft::otherwise: the handler takes no arguments");
  return detail::DefaultCase<F>(std::forward<F>(handler));
}

/// Does exactly one of several things, whichever can be done first, and returns its place among the
/// arguments; Go's select. Among those that can be done at once each is as likely as the other.
///
///     weft::select(weft::receive_from(orders, [&](std::optional<Order> order) { ... }),
///                  weft::send_to(results, std::move(result), [&] { ... }),
///                  weft::after(100ms, [&] { ... }));
///
/// Suspends the fiber (blocks the thread) until one can be done. The handler is called in the
/// caller, when everything else has been let go of; what it throws leaves select(). Throws
/// ChannelClosed for a case that sends to a closed channel. Cancellable: throws Cancelled; a
/// thread's first wait may throw std::bad_alloc; then nothing has been done. Allocates nothing. A
/// channel may be in several cases, which do not meet one another. If all cases are switched off,
/// it waits for ever. By any fiber and any thread.
template <class... Cases>
requires(detail::kIsSelectCase<std::remove_cvref_t<Cases>>&&...) std::size_t
    select(Cases&&... cases) {
  using Selected = detail::Selected<std::remove_reference_t<Cases>...>;
  static_assert(Selected::kCount > 0, "weft::select: there is nothing to choose from");
  static_assert((!std::is_lvalue_reference_v<Cases> && ...),
                "weft::select: its cases are made in the call, as they may refer to what is gone "
                "after that");
  static_assert(Selected::kDefaults <= 1, "weft::select: there is one otherwise() at most");
  static_assert(Selected::kDefaults == 0 || Selected::kTimes == 0,
                "weft::select: with otherwise() it never waits, so after() would never come");
  std::size_t chosen = detail::take_only_candidate(cases...);
  if (chosen == detail::kNoCase) chosen = Selected(cases...).choose();
  std::size_t place = 0;
  ((place++ == chosen ? cases.run() : void()), ...);
  return chosen;
}

template <class... A>
requires(!(detail::kIsSelectCase<std::remove_cvref_t<A>> && ...)) std::size_t select(const A&...) {
  static_assert(detail::kRight<A...>,
                "weft::select: it takes cases: receive_from, send_to, after and otherwise");
  return 0;
}

}  // namespace weft
