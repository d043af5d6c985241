#include <weft/latch.h>

#include <stdexcept>

namespace weft {

Latch::Latch(std::size_t count) : count_(count) {
  if (count == 0) zero_.set();
}

void Latch::count_down(std::size_t by) {
  std::size_t count = count_.load(std::memory_order_relaxed);
  do {
    if (by > count) throw std::logic_error("weft::Latch: it has been counted down below zero");
    // Acquire and release: whoever reaches zero passes on what all did before. [latch]
  } while (!count_.compare_exchange_weak(count, count - by, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
  if (by > 0 && count == by) zero_.set();
}

}  // namespace weft
