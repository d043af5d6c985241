#pragma once

#include <cstdint>
#include <string>

#include <weft/runtime.h>

namespace weft::detail {

/// Options with nothing left to choose.
struct ResolvedOptions {
  unsigned workers;
  std::uint8_t stack_class;
  std::string driver;
  unsigned blocking_threads;
  std::string name;
  bool fifo;
  bool debug;
  bool spin;
  bool spin_yields;
};

/// Fills in what the program left open from the environment, then from the machine. Throws
/// std::invalid_argument.
ResolvedOptions resolve(const Options& options);

}  // namespace weft::detail
