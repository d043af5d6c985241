#pragma once

#include "fiber/fiber.h"
#include "sched/wait.h"

namespace weft::detail {

/// Keeps cancellations off the running fiber, for destructors that the runtime calls, and for waits
/// that must end well.
class MaskScope {
 public:
  MaskScope() noexcept : self_(current_fiber()) {
    if (self_ != nullptr) ++self_->masks;
  }
  ~MaskScope() {
    if (self_ != nullptr) --self_->masks;
  }
  MaskScope(const MaskScope&) = delete;
  MaskScope& operator=(const MaskScope&) = delete;

 private:
  Fiber* const self_;
};

}  // namespace weft::detail
