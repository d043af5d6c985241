#pragma once

#include <weft/detail/wait_list.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace weft::detail {

struct ChannelWaiter;

/// How the untyped core moves the items of one type: a sender's T, a slot of the buffer (raw memory
/// unless it holds a T), a receiver's std::optional<T>. All are called under the channel's lock.
struct ItemMoves {
  std::size_t size;
  void (*hand_over)(void* item, void* receiver) noexcept;
  void (*store)(void* item, void* slot) noexcept;
  void (*fetch)(void* slot, void* receiver) noexcept;
};

/// A channel but for the type of its items. The inline part is what nobody waits for: one swap, and
/// a store. See sync/channel.cc.
class ChannelCore {
 public:
  ChannelCore(std::size_t capacity, std::byte* slots, const ItemMoves& moves) noexcept
      : capacity_(capacity), slots_(slots), moves_(moves) {}
  ~ChannelCore();
  ChannelCore(const ChannelCore&) = delete;
  ChannelCore& operator=(const ChannelCore&) = delete;

  // -- The short way. Where it ends early, the long way takes over, and the lock if there is one.

  /// Takes the lock of a channel that is open, unless another has it.
  bool try_lock_open() noexcept {
    std::uint32_t expected = 0;
    return receivers_.word.compare_exchange_strong(expected, kLocked, std::memory_order_acquire,
                                                   std::memory_order_relaxed);  // [channel]
  }
  void unlock_open() noexcept {
    receivers_.word.store(0, std::memory_order_release);  // [channel]
  }
  /// Without the lock, thus a guess: false where a buffer has nothing for a receiver, or no room.
  bool may_be_ready(bool sends) const noexcept {
    return capacity_ == 0 || count() != (sends ? capacity_ : 0) || closed();
  }
  /// With the lock: the slot for one more item, counted as full from now on; null if somebody waits
  /// for the item, or there is none.
  void* add_slot() noexcept {
    if (count() == capacity_ || receivers_.first != nullptr) return nullptr;
    return push_slot();
  }
  /// With the lock: the slot of the oldest item, counted as free from now on; null if somebody
  /// waits for the slot, or there is no item.
  void* remove_slot() noexcept {
    if (count() == 0 || senders_.first != nullptr) return nullptr;
    return pop_slot();
  }

  // -- The long way.

  /// Suspends until `item` has been moved to a receiver or into the buffer. Throws, with `item`
  /// untouched, ChannelClosed, Cancelled or std::bad_alloc.
  void send(void* item, bool locked);
  /// The same, but false instead of suspending.
  bool try_send(void* item, bool locked);
  /// Suspends until an item has been moved to `receiver` or there will be none: false.
  bool receive(void* receiver, bool locked);
  bool try_receive(void* receiver, bool locked) noexcept;

  void close();
  bool closed() const noexcept {
    // Not set before close() has done with the channel.
    return (receivers_.word.load(std::memory_order_acquire) & kClosed) != 0;
  }
  std::size_t size() const noexcept;
  std::size_t capacity() const noexcept { return capacity_; }

  /// By whoever destroys the channel: what is left, as remove_slot().
  void* take_leftover() noexcept { return count() > 0 ? pop_slot() : nullptr; }

 private:
  friend class Selection;  // takes part in several channels at once: see sync/select.cc

  static constexpr std::uint32_t kLocked = 1;
  static constexpr std::uint32_t kClosed = 2;

  enum class Done : std::uint8_t { kYes, kClosed, kMustWait };
  struct Attempt;

  std::uint32_t lock(bool locked) const noexcept;
  void unlock(std::uint32_t state) const noexcept;
  Attempt match_send(void* item, std::uint32_t state) noexcept;
  Attempt match_receive(void* receiver, std::uint32_t state) noexcept;
  Done finish(const Attempt& attempt, std::uint32_t state) noexcept;
  Done send_at_once(void* item, std::uint32_t state) noexcept;
  Done receive_at_once(void* receiver, std::uint32_t state) noexcept;
  bool wait(WaitList& list, void* item);

  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  void* slot(std::size_t offset) noexcept {
    const std::size_t index = first_ + offset;
    return slots_ + (index < capacity_ ? index : index - capacity_) * moves_.size;
  }
  void* push_slot() noexcept {
    const std::size_t before = count();
    count_.store(before + 1, std::memory_order_relaxed);
    return slot(before);
  }
  void* pop_slot() noexcept {
    void* const oldest = slot(0);
    if (++first_ == capacity_) first_ = 0;
    count_.store(count() - 1, std::memory_order_relaxed);
    return oldest;
  }

  // The word locks both lists, the buffer and its numbers, and says whether the channel is closed.
  mutable WaitList receivers_;
  WaitList senders_;  // its own word is not used
  std::size_t first_ = 0;
  std::atomic<std::size_t> count_{0};  // changed with the lock, guessed at without it
  const std::size_t capacity_;
  std::byte* const slots_;
  const ItemMoves& moves_;
};

/// The short way of an item into the buffer and out of it. With the lock; if they succeed, without.
template <class T>
bool put_item(ChannelCore& core, T& item) noexcept {
  void* const slot = core.add_slot();
  if (slot == nullptr) return false;
  std::construct_at(static_cast<T*>(slot), std::move(item));
  core.unlock_open();
  return true;
}
template <class T>
bool take_item(ChannelCore& core, std::optional<T>& receiver) noexcept {
  void* const slot = core.remove_slot();
  if (slot == nullptr) return false;
  T* const oldest = static_cast<T*>(slot);
  receiver.emplace(std::move(*oldest));
  std::destroy_at(oldest);
  core.unlock_open();
  return true;
}

}  // namespace weft::detail
