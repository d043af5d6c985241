#include "reactor/uring_rings.h"

#include <algorithm>

#include "base/chaos.h"
#include "sched/worker.h"

namespace weft::detail {

namespace {

constexpr unsigned kEntries = 256;  // when they are full they are handed over
constexpr unsigned kReapedAtOnce = 256;

}  // namespace

Rings::Rings(Ring::Kind kind, unsigned workers) {
  rings_.reserve(workers);
  for (unsigned i = 0; i < workers; ++i) rings_.push_back(std::make_unique<Ring>(kind, kEntries));
}

unsigned Rings::index_here() noexcept {
  const Worker* const worker = current_worker();
  return worker != nullptr ? worker->index() : 0;
}

bool Rings::busy() const noexcept {
  return std::any_of(rings_.begin(), rings_.end(), [](const auto& ring) { return ring->busy(); });
}

unsigned Rings::most_at_once() noexcept {
  return chaos::strikes(chaos::Kind::kDriver, 1) ? 1 + chaos::below(4) : kReapedAtOnce;
}

}  // namespace weft::detail
