#pragma once

// What a server has told of, from whichever thread.

#include <weft/serve.h>

#include <mutex>
#include <vector>

namespace support {

class ServeErrorLog {
 public:
  // Room first: on_error must not throw, not even where memory is made to fail.
  ServeErrorLog() { errors_.reserve(1000); }

  weft::ServeOptions options() {
    return {.on_error = [this](const weft::ServeError& error) {
      const std::lock_guard lock(mutex_);
      errors_.push_back(error);
    }};
  }
  std::vector<weft::ServeError> errors() const {
    const std::lock_guard lock(mutex_);
    return errors_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<weft::ServeError> errors_;
};

}  // namespace support
