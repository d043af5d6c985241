#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::detail {

/// The address of a Unix socket as the kernel wants it. "@name" stands for a name of the abstract
/// space, which begins with a zero byte.
struct UnixAddress {
  /// Throws std::system_error that names `operation` and `path`: ENAMETOOLONG, and EINVAL for none
  /// or one that holds a zero byte.
  static UnixAddress of(std::string_view path, const char* operation);
  /// What the kernel gave; empty for a socket without a name.
  std::string path() const;
  bool is_abstract() const noexcept { return size > kEmpty && storage.sun_path[0] == '\0'; }

  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&storage); }

  static constexpr socklen_t kEmpty = offsetof(sockaddr_un, sun_path);

  sockaddr_un storage{};
  socklen_t size = sizeof(sockaddr_un);
};

}  // namespace weft::detail
