#pragma once

#include <weft/detail/channel_core.h>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
struct SelectAccess;
}

/// Carries items from senders to receivers, first in, first out; Go's channel. It holds up to
/// `capacity` items for which nobody has asked yet. With a capacity of 0 senders and receivers
/// meet: each waits for the other.
///
/// All members but the constructor and the destructor may be called by any fiber of any runtime and
/// by any thread. Who waits is served in the order of arrival. What was done before an item was
/// sent is seen by whoever receives it. A call that need not wait neither suspends nor is
/// cancelled.
///
/// An item is moved while the channel is locked, so T's move constructor must not throw, suspend,
/// or use the channel. The channel may be destroyed as soon as all calls that had to wait have
/// returned, even if those that ended their waiting have not.
template <class T>
class Channel {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "a channel carries values");
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "an item that is on its way must not get lost: where moving T may throw, send "
                "std::unique_ptr<T>");

 public:
  /// Allocates room for all items: may throw std::bad_alloc.
  explicit Channel(std::size_t capacity = 0)
      : slots_(capacity > 0 ? std::allocator<T>().allocate(capacity) : nullptr),
        core_(capacity, reinterpret_cast<std::byte*>(slots_), kMoves) {}
  /// Nobody may be waiting. Items that nobody has received are destroyed.
  ~Channel() {
    while (void* const left = core_.take_leftover()) std::destroy_at(static_cast<T*>(left));
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, core_.capacity());
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Suspends the fiber (blocks the thread) while the channel is full; with a capacity of 0 until a
  /// receiver has taken the item. Throws ChannelClosed if the channel is or becomes closed.
  /// Cancellable: throws Cancelled. A thread's first wait may throw std::bad_alloc. Whatever it
  /// throws, the item was not sent and `item` is untouched; if it returns, `item` has been moved
  /// from.
  void send(T&& item) {
    const bool locked = core_.try_lock_open();
    if (locked && detail::put_item(core_, item)) return;
    core_.send(std::addressof(item), locked);
  }
  /// The same with a copy, which is lost if it cannot be sent.
  void send(const T& item) requires std::copy_constructible<T> { send(T(item)); }

  /// Sends if that needs no waiting, else returns false and leaves `item` untouched. Throws
  /// ChannelClosed. Never suspends.
  [[nodiscard]] bool try_send(T&& item) {
    const bool locked = core_.try_lock_open();
    return (locked && detail::put_item(core_, item)) ||
           core_.try_send(std::addressof(item), locked);
  }
  [[nodiscard]] bool try_send(const T& item) requires std::copy_constructible<T> {
    return try_send(T(item));
  }

  /// Suspends the fiber (blocks the thread) until there is an item. Empty when the channel is
  /// closed and all items have been received. Cancellable: throws Cancelled; but who has been given
  /// an item returns it, and the request stays for the next wait. A thread's first wait may throw
  /// std::bad_alloc.
  // Always inline: a std::optional that is returned in registers is put together in memory, a
  // byte of it and then read as a whole, which stalls for longer than all the rest takes (GCC 12).
  [[gnu::always_inline]] std::optional<T> receive() {
    std::optional<T> item;
    const bool locked = core_.try_lock_open();
    if (!locked || !detail::take_item(core_, item)) core_.receive(&item, locked);
    return item;
  }

  /// An item if there is one, or a sender that waits for a receiver. Never suspends.
  [[nodiscard]] std::optional<T> try_receive() noexcept {
    std::optional<T> item;
    const bool locked = core_.try_lock_open();
    if (!locked || !detail::take_item(core_, item)) core_.try_receive(&item, locked);
    return item;
  }

  /// From here on nothing can be sent, and whoever waits to do so is told: ChannelClosed. What is
  /// in the channel can still be received; receivers that wait for more return empty. Throws
  /// ChannelClosed if it has been closed before. Never suspends.
  void close() { core_.close(); }
  bool closed() const noexcept { return core_.closed(); }

  /// How many items it holds; others may be about to change that.
  std::size_t size() const noexcept { return core_.size(); }
  std::size_t capacity() const noexcept { return core_.capacity(); }

  /// Receives one item after the other. Has one of its own, which `*` refers to.
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit Iterator(Channel& channel) : channel_(&channel), item_(channel.receive()) {}

    T& operator*() const noexcept { return *item_; }
    T* operator->() const noexcept { return std::addressof(*item_); }
    /// Suspends as receive() does, after it has destroyed the item before.
    Iterator& operator++() {
      item_.reset();
      if (std::optional<T> next = channel_->receive()) item_.emplace(*std::move(next));
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& iterator, std::default_sentinel_t) noexcept {
      return !iterator.item_.has_value();
    }

   private:
    Channel* channel_;
    mutable std::optional<T> item_;
  };

  /// For `for (T& item : channel)`, which ends when the channel is closed and empty. Suspends as
  /// receive() does.
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend struct detail::SelectAccess;

  static void fetch(T& from, std::optional<T>& receiver) noexcept {
    receiver.emplace(std::move(from));
    std::destroy_at(&from);
  }
  static constexpr detail::ItemMoves kMoves{
      sizeof(T),
      [](void* item, void* receiver) noexcept {
        static_cast<std::optional<T>*>(receiver)->emplace(std::move(*static_cast<T*>(item)));
      },
      [](void* item, void* slot) noexcept {
        std::construct_at(static_cast<T*>(slot), std::move(*static_cast<T*>(item)));
      },
      [](void* slot, void* receiver) noexcept {
        fetch(*static_cast<T*>(slot), *static_cast<std::optional<T>*>(receiver));
      }};

  T* const slots_;
  detail::ChannelCore core_;
};

}  // namespace weft
