#pragma once

#include <weft/runtime.h>

#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace support {

/// Keeps what Options::on_lost_exception is told, from any thread.
class LostExceptionLog {
 public:
  std::function<void(const weft::LostException&)> handler() {
    return [this](const weft::LostException& lost) {
      const std::lock_guard lock(mutex_);
      entries_.push_back(lost);
    };
  }
  std::vector<weft::LostException> entries() const {
    const std::lock_guard lock(mutex_);
    return entries_;
  }
  std::size_t size() const { return entries().size(); }

 private:
  mutable std::mutex mutex_;
  std::vector<weft::LostException> entries_;
};

/// what() of a std::exception, "" of anything else.
inline std::string text_of(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
  }
  return "";
}

}  // namespace support
