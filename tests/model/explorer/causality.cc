#include "explorer/causality.h"

#include <algorithm>

namespace model {

namespace {

bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

bool acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

}  // namespace

void Causality::start(std::size_t threads) {
  clocks_.assign(threads, Clock(threads, 0));
  for (std::size_t i = 0; i < threads; ++i) clocks_[i][i] = 1;
}

Causality::Clock Causality::carried(int thread, std::memory_order order) {
  if (!releases(order)) return {};
  Clock clock = clock_of(thread);
  ++clock_of(thread)[static_cast<std::size_t>(thread)];  // what comes later is not part of it
  return clock;
}

void Causality::loaded(int thread, const void* address, std::memory_order order) {
  if (!acquires(order)) return;
  const auto found = carried_.find(address);
  if (found != carried_.end()) join(clock_of(thread), found->second);
}

void Causality::updated(int thread, const void* address, std::memory_order order) {
  loaded(thread, address, order);
  if (releases(order)) join(carried_[address], carried(thread, order));
}

void Causality::join_all() {
  Clock all;
  for (const Clock& clock : clocks_) join(all, clock);
  for (std::size_t i = 0; i < clocks_.size(); ++i) {
    clocks_[i] = all;
    ++clocks_[i][i];
  }
}

bool Causality::has_seen(int thread, const Clock& accesses) {
  const Clock& seen = clock_of(thread);
  for (std::size_t i = 0; i < accesses.size(); ++i) {
    if (accesses[i] > seen[i]) return false;
  }
  return true;
}

bool Causality::read(int thread, Accesses& data) {
  data.reads.resize(clocks_.size(), 0);
  const auto index = static_cast<std::size_t>(thread);
  data.reads[index] = clock_of(thread)[index];
  return has_seen(thread, data.writes);
}

bool Causality::write(int thread, Accesses& data) {
  data.writes.resize(clocks_.size(), 0);
  const auto index = static_cast<std::size_t>(thread);
  const bool ordered = has_seen(thread, data.writes) && has_seen(thread, data.reads);
  data.writes[index] = clock_of(thread)[index];
  return ordered;
}

void Causality::join(Clock& clock, const Clock& other) {
  clock.resize(std::max(clock.size(), other.size()), 0);
  for (std::size_t i = 0; i < other.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

}  // namespace model
