#pragma once

// One round: a runtime, some loads in it side by side, and the balance when all is over. Everything
// that is chosen comes from the seed.

#include <weft/weft.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "soak/load.h"

namespace soak {

class Round {
 public:
  explicit Round(std::uint64_t seed);

  /// Runs it to the end, from a plain thread.
  void run();

  /// What does not add up; for after run().
  std::vector<std::string> problems() const;
  /// For people, at any time and from any thread.
  std::string describe() const;

  struct Part {
    Part(const Load& what, Random source) : load(what), random(source) {}
    const Load& load;
    const Random random;
    Ledger ledger;
    std::atomic<bool> over{false};
  };
  const std::deque<Part>& parts() const noexcept { return parts_; }

 private:
  void run_part(Part& part, weft::Runtime& runtime);
  void compare_with_metrics(const weft::Runtime& runtime);

  const std::uint64_t seed_;
  weft::Options options_;
  std::deque<Part> parts_;
  Ledger common_;  // what concerns the runtime and no load
  std::atomic<const char*> phase_{"starting"};
};

}  // namespace soak
