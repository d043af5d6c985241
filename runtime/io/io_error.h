#pragma once

#include <string>

namespace weft::detail {

class Reactor;

/// Throws std::system_error: "`operation` `object`: ...". Says so when the descriptor was closed
/// (EBADF, ECANCELED).
[[noreturn]] void throw_io_error(int error, const char* operation, const std::string& object);

/// Throws EINVAL for a path with a zero byte in it: the kernel would take what is before that.
void check_path(const std::string& path, const char* operation);

/// The reactor of the calling fiber. Throws std::logic_error in a plain thread.
Reactor& need_reactor(const char* operation);

}  // namespace weft::detail
