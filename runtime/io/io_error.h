#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace weft::detail {

class Reactor;

/// Throws std::system_error: "`operation` `object`: ...". Says so when the descriptor was closed
/// (EBADF, ECANCELED).
[[noreturn]] void throw_io_error(int error, const char* operation, const std::string& object);

/// Makes `call`, of several parts, each of which looks for itself whether what it needs is open.
/// What was open when it began has been closed meanwhile, and that is ECANCELED.
template <class AreOpen, class Name, class Call>
auto told_of_close(AreOpen are_open, const char* operation, Name object, Call call) {
  const bool were_open = are_open();
  try {
    return call();
  } catch (const std::system_error& error) {
    const bool closed = error.code() == std::error_code(EBADF, std::system_category());
    if (were_open && closed && !are_open()) throw_io_error(ECANCELED, operation, object());
    throw;
  }
}

/// Throws EINVAL for a path with a zero byte in it: the kernel would take what is before that.
void check_path(const std::string& path, const char* operation);

/// The reactor of the calling fiber. Throws std::logic_error in a plain thread.
Reactor& need_reactor(const char* operation);

}  // namespace weft::detail
