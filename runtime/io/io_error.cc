#include "io/io_error.h"

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "reactor/reactor.h"

namespace weft::detail {

void throw_io_error(int error, const char* operation, const std::string& object) {
  std::string what = std::string(operation) + ' ' + object;
  if (error == EBADF) what += ": closed before";
  if (error == ECANCELED) what += ": closed meanwhile";
  throw std::system_error(error, std::system_category(), what);
}

void check_path(const std::string& path, const char* operation) {
  const std::size_t zero = path.find('\0');
  if (zero == std::string::npos) return;
  // Of a message, too, many would take what is before it.
  throw_io_error(EINVAL, operation, '\'' + path.substr(0, zero) + "\\0...': a zero byte in it");
}

Reactor& need_reactor(const char* operation) {
  Reactor* const reactor = current_reactor();
  if (reactor == nullptr) {
    throw std::logic_error(
        std::string("weft: '") + operation +
        "' may have to wait, so it needs a fiber: call it from within weft::run");
  }
  return *reactor;
}

}  // namespace weft::detail
