#include <weft/pin.h>

#include "sched/worker.h"

namespace weft {

PinScope::PinScope() noexcept {
  detail::Fiber* const self = detail::current_fiber();
  if (self == nullptr) return;
  WEFT_ASSERT(self->pins < UINT16_MAX, "nobody nests so many pins");
  self->home = detail::current_worker();
  ++self->pins;
}

PinScope::~PinScope() {
  if (detail::Fiber* const self = detail::current_fiber()) --self->pins;
}

}  // namespace weft
