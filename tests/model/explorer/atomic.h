#pragma once

// The other side of the seam in base/atomic.h: atomics, spin loops and futexes of a model thread.
// Each operation is a point at which the explorer may let another thread go first.

#define WEFT_MODEL 1

#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace model {

using Order = std::memory_order;

std::uint64_t load(const void* address, unsigned size, Order order);
void store(void* address, unsigned size, std::uint64_t value, Order order);
/// A read-modify-write: nothing comes between the two halves. The second writes, or not.
std::uint64_t begin_update(void* address, unsigned size, Order order);
void end_update(void* address, unsigned size, std::uint64_t value, Order order);
void end_update_unchanged(const void* address, Order failure);
/// Nothing of it is left to be seen by others.
void end_of(const void* address);
void relax();
bool wait_on(const void* address, std::uint32_t expected, bool has_deadline);
void wake_on(const void* address, int count);
void barrier_on_all();

}  // namespace model

namespace weft::detail {

// NOLINTBEGIN(bugprone-sizeof-expression): T may be a pointer
template <class T>
class Atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  using Order = std::memory_order;

 public:
  constexpr Atomic() noexcept = default;
  constexpr Atomic(T value) noexcept : value_(value) {}  // NOLINT(google-explicit-constructor)
  // What others have not seen yet of it must not come later: where it was, its own thread writes
  // other things, a stack frame for example, and those are not delayed here.
  ~Atomic() { model::end_of(&value_); }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(Order order = std::memory_order_seq_cst) const noexcept {
    return value_of(model::load(&value_, sizeof(T), order));
  }
  void store(T value, Order order = std::memory_order_seq_cst) noexcept {
    model::store(&value_, sizeof(T), bits_of(value), order);
  }
  T exchange(T value, Order order = std::memory_order_seq_cst) noexcept {
    return update(order, [&](T) { return value; });
  }
  bool compare_exchange_strong(T& expected, T desired,
                               Order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, desired, order, after_failure(order));
  }
  bool compare_exchange_strong(T& expected, T desired, Order order, Order failure) noexcept {
    const std::uint64_t found = model::begin_update(&value_, sizeof(T), order);
    if (found == bits_of(expected)) {
      model::end_update(&value_, sizeof(T), bits_of(desired), order);
      return true;
    }
    model::end_update_unchanged(&value_, failure);
    expected = value_of(found);
    return false;
  }
  bool compare_exchange_weak(T& expected, T desired,
                             Order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_weak(expected, desired, order, after_failure(order));
  }
  bool compare_exchange_weak(T& expected, T desired, Order order, Order failure) noexcept {
    return compare_exchange_strong(expected, desired, order, failure);
  }
  T fetch_add(T by, Order order = std::memory_order_seq_cst) noexcept {
    return update(order, [&](T old) { return static_cast<T>(old + by); });
  }
  T fetch_sub(T by, Order order = std::memory_order_seq_cst) noexcept {
    return update(order, [&](T old) { return static_cast<T>(old - by); });
  }
  T fetch_and(T with, Order order = std::memory_order_seq_cst) noexcept {
    return update(order, [&](T old) { return static_cast<T>(old & with); });
  }
  T fetch_or(T with, Order order = std::memory_order_seq_cst) noexcept {
    return update(order, [&](T old) { return static_cast<T>(old | with); });
  }

 private:
  template <class Change>
  T update(Order order, Change change) noexcept {
    const std::uint64_t found = model::begin_update(&value_, sizeof(T), order);
    model::end_update(&value_, sizeof(T), bits_of(change(value_of(found))), order);
    return value_of(found);
  }
  static Order after_failure(Order order) noexcept {
    return order == std::memory_order_acq_rel   ? std::memory_order_acquire
           : order == std::memory_order_release ? std::memory_order_relaxed
                                                : order;
  }
  static std::uint64_t bits_of(T value) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static T value_of(std::uint64_t bits) noexcept {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }

  // The memory; what threads have written but not yet made visible, the explorer keeps.
  T value_{};
};
// NOLINTEND(bugprone-sizeof-expression)

inline void cpu_relax() noexcept { model::relax(); }
/// However long: nothing is looked at in between.
inline void cpu_relax(int) noexcept { model::relax(); }

/// As in base/futex.h.
inline bool futex_wait(const Atomic<std::uint32_t>& word, std::uint32_t expected,
                       std::int64_t deadline = std::numeric_limits<std::int64_t>::max()) noexcept {
  return model::wait_on(&word, expected, deadline != std::numeric_limits<std::int64_t>::max());
}
inline void futex_wake(const Atomic<std::uint32_t>& word, int count) noexcept {
  model::wake_on(&word, count);
}

/// As in base/membarrier.h.
inline void barrier_on_all_threads() noexcept { model::barrier_on_all(); }

/// As in base/system_mutex.h. Who finds it taken goes on when others have written something.
class SystemMutex {
 public:
  void lock() noexcept {
    while (taken_.exchange(true, std::memory_order_acquire)) {
      // Without a write, which two who wait would take for a reason to go on.
      while (taken_.load(std::memory_order_relaxed)) cpu_relax();
    }
  }
  void unlock() noexcept { taken_.store(false); }

 private:
  Atomic<bool> taken_{false};
};

}  // namespace weft::detail
