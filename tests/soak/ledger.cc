#include "soak/ledger.h"

namespace soak {

Counts Ledger::counts() const noexcept {
  Counts counts{};
  for (std::size_t i = 0; i < kBooks; ++i) counts[i] = pages_[i].in;
  return counts;
}

std::vector<std::string> Ledger::problems() const {
  std::vector<std::string> problems;
  for (std::size_t i = 0; i < kBooks; ++i) {
    const std::uint64_t in = pages_[i].in, out = pages_[i].out;
    if (in != out) {
      problems.push_back(std::string(kBookNames[i]) + ": " + std::to_string(in) + " in, " +
                         std::to_string(out) + " out");
    }
  }
  const std::lock_guard lock(mutex_);
  problems.insert(problems.end(), wrongs_.begin(), wrongs_.end());
  return problems;
}

}  // namespace soak
