#pragma once

// What a run did, step by step. Kept as numbers, and put into words only when somebody asks.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace model {

class Trace {
 public:
  /// `what` outlives the trace. In it, @ stands for the address, # and $ for the values.
  void add(int thread, const char* what, const void* address = nullptr, std::uint64_t first = 0,
           std::uint64_t second = 0) {
    steps_.push_back({thread, what, address, first, second});
  }

  /// A column for each thread.
  std::string table(std::size_t threads) const;

 private:
  struct Step {
    int thread;  // -1: the explorer
    const char* what;
    const void* address;
    std::uint64_t first, second;
  };
  using Names = std::map<const void*, std::string>;

  static std::string words(const Step& step, Names& names);

  std::vector<Step> steps_;
};

}  // namespace model
