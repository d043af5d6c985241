#pragma once

// Options of sockets, for whatever has a descriptor and a name.

#include <sys/socket.h>

#include <cerrno>

#include "io/io_error.h"
#include "reactor/fd_table.h"

namespace weft::detail {

// 0 or the error. Not inlined where a fiber has suspended: compilers keep errno's address across
// calls.
[[gnu::noinline]] inline int set_option(int fd, int level, int option, const void* value,
                                        socklen_t size) noexcept {
  return ::setsockopt(fd, level, option, value, size) == 0 ? 0 : errno;
}

/// Throws std::system_error that names `what` and the state.
template <class State, class Value>
void set(const State& state, int level, int option, const Value& value, const char* what) {
  const FdOperation operation(state.descriptor);
  const int error =
      operation ? set_option(operation.fd(), level, option, &value, sizeof(value)) : EBADF;
  if (error != 0) throw_io_error(error, what, state.name());
}

}  // namespace weft::detail
