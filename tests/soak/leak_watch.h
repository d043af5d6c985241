#pragma once

// Whether the process gives back what it takes, as the kernel sees it.

#include <cstddef>
#include <string>
#include <vector>

#include "support/process_state.h"

namespace soak {

/// Threads and descriptors are compared after each round, exactly. Memory and mappings are allowed
/// what is kept for the next round: descriptors of fibers up to the largest number that was ever
/// alive (runtime/DESIGN.md, chapter 2), the allocator's arenas, and the thread stacks that the C
/// library caches. Over many rounds these stop growing, so the medians of the first and the last
/// third are compared, after a warm-up.
class LeakWatch {
 public:
  /// Takes what there is now as what there must be later.
  LeakWatch();

  /// After a round, when nothing of it should be left. Says what is.
  std::vector<std::string> look();
  /// After the last one. Says what has grown.
  std::vector<std::string> growth() const;
  /// The medians, for people.
  std::string summary() const;

 private:
  struct Thirds {
    double first = 0, last = 0;
  };
  /// False if there were too few rounds to tell.
  static bool compare(const std::vector<double>& series, Thirds& thirds);

  support::ProcessCounts before_;
  std::vector<double> resident_;  // MiB, by round
  std::vector<double> mappings_;
};

}  // namespace soak
