#pragma once

// The seam of base/atomic.h in a chaos build: the machine's atomics, with a pause before each
// operation now and then, and with weak swaps that fail as the standard allows.

#include <atomic>

#include "base/chaos.h"

namespace weft::detail {

template <class T>
class Atomic : private std::atomic<T> {
  using Machine = std::atomic<T>;
  using Order = std::memory_order;

 public:
  constexpr Atomic() noexcept = default;
  constexpr Atomic(T value) noexcept : Machine(value) {}  // NOLINT(google-explicit-constructor)
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T operator=(T value) noexcept {  // NOLINT(misc-unconventional-assign-operator): as std::atomic
    store(value);
    return value;
  }
  operator T() const noexcept { return load(); }  // NOLINT(google-explicit-constructor)

  T load(Order order = std::memory_order_seq_cst) const noexcept {
    chaos::dawdle();
    return Machine::load(order);
  }
  void store(T value, Order order = std::memory_order_seq_cst) noexcept {
    chaos::dawdle();
    Machine::store(value, order);
  }
  T exchange(T value, Order order = std::memory_order_seq_cst) noexcept {
    chaos::dawdle();
    return Machine::exchange(value, order);
  }
  template <class... Orders>
  bool compare_exchange_strong(T& expected, T desired, Orders... orders) noexcept {
    chaos::dawdle();
    return Machine::compare_exchange_strong(expected, desired, orders...);
  }
  template <class... Orders>
  bool compare_exchange_weak(T& expected, T desired, Orders... orders) noexcept {
    chaos::dawdle();
    if (chaos::strikes(chaos::Kind::kPause, 8)) {
      expected = Machine::load();
      return false;
    }
    return Machine::compare_exchange_weak(expected, desired, orders...);
  }
  T fetch_add(T by, Order order = std::memory_order_seq_cst) noexcept {
    chaos::dawdle();
    return Machine::fetch_add(by, order);
  }
  T fetch_sub(T by, Order order = std::memory_order_seq_cst) noexcept {
    chaos::dawdle();
    return Machine::fetch_sub(by, order);
  }
  T fetch_and(T with, Order order = std::memory_order_seq_cst) noexcept {
    chaos::dawdle();
    return Machine::fetch_and(with, order);
  }
  T fetch_or(T with, Order order = std::memory_order_seq_cst) noexcept {
    chaos::dawdle();
    return Machine::fetch_or(with, order);
  }
};

}  // namespace weft::detail
