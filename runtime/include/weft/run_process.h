#pragma once

#include <weft/process.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// How to run a process to its end.
struct RunProcessOptions {
  /// What it reads from its standard input, and then the end.
  std::string input = {};
  /// As ProcessOptions.
  std::string directory = {};
  std::optional<std::map<std::string, std::string>> environment = {};
  /// Its standard error comes with its output, in the order in which it is written.
  bool merge_errors = false;
  /// What it has started, and runs on, is stopped with it, or after it: when the time is over,
  /// there is too much output, or the call is cancelled.
  bool new_group = false;
  /// How long it may take, output included. Then it is asked to end (SIGTERM), and killed after
  /// `grace`. Nothing: as long as it likes.
  std::optional<std::chrono::nanoseconds> timeout = {};
  std::chrono::nanoseconds grace{0};
  /// The most bytes of output, and of errors, that are taken.
  std::size_t limit = std::size_t{64} << 20;
};

struct ProcessResult {
  ExitStatus status = ExitStatus::of_code(0);
  std::string out, err;    ///< What it wrote, as far as it came.
  bool timed_out = false;  ///< It took longer than it was given.
};

/// Starts a program (see Process::spawn), feeds it, reads what it writes on both streams, and waits
/// for its end and that of its output. A process that does not read all of its input is none the
/// worse. What it has started, and which holds on to its output, is waited for as well; a time
/// limit bounds that, too.
///
/// Throws what Process::spawn throws, and LimitExceeded for too much output, at once: then it has
/// been killed, and its status taken. Cancellable: throws Cancelled, and the same is true. Only in
/// a fiber.
ProcessResult run_process(const std::vector<std::string>& argv,
                          const RunProcessOptions& options = {});

}  // namespace weft
