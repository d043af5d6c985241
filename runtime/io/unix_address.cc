#include "io/unix_address.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/io_error.h"

namespace weft::detail {

UnixAddress UnixAddress::of(std::string_view path, const char* operation) {
  UnixAddress address;
  const bool abstract = path.starts_with('@');
  // A file's path ends with a zero byte.
  const std::size_t room = sizeof(address.storage.sun_path) - (abstract ? 0 : 1);
  int error = 0;
  if (path.empty() || path.find('\0') != std::string_view::npos) error = EINVAL;
  if (path.size() > room) error = ENAMETOOLONG;
  if (error != 0) throw_io_error(error, operation, "'" + std::string(path) + "'");
  address.storage.sun_family = AF_UNIX;
  std::memcpy(address.storage.sun_path, path.data(), path.size());
  if (abstract) address.storage.sun_path[0] = '\0';
  address.size = kEmpty + static_cast<socklen_t>(path.size()) + (abstract ? 0 : 1);
  return address;
}

std::string UnixAddress::path() const {
  if (size <= kEmpty) return {};
  const std::size_t bytes = std::min<std::size_t>(size - kEmpty, sizeof(storage.sun_path));
  std::string text(storage.sun_path, bytes);
  if (text.front() == '\0') {
    text.front() = '@';
    return text;
  }
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace weft::detail
