#pragma once

#include <memory>
#include <vector>

#include "reactor/uring_ring.h"

namespace weft::detail {

/// A ring for each worker.
class Rings {
 public:
  /// Throws std::system_error where the kernel grants no such rings.
  Rings(Ring::Kind kind, unsigned workers);

  Ring& operator[](unsigned worker) const noexcept { return *rings_[worker]; }
  /// That of the worker which the caller is; a plain thread stands in for the first.
  Ring& here() const noexcept { return *rings_[index_here()]; }
  static unsigned index_here() noexcept;

  /// Whether anything has been queued that has not been reaped.
  bool busy() const noexcept;
  /// How many completions to reap before others have their turn.
  static unsigned most_at_once() noexcept;

 private:
  std::vector<std::unique_ptr<Ring>> rings_;
};

}  // namespace weft::detail
