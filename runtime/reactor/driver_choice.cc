#include "reactor/driver_choice.h"

#include <stdexcept>
#include <string>

#include "reactor/epoll.h"

namespace weft::detail {

std::unique_ptr<Reactor> make_driver(std::string_view name) {
  if (name.empty() || name == "auto" || name == "epoll") return std::make_unique<EpollReactor>();
  const std::string given =
      "weft: driver (Options::driver, WEFT_DRIVER) is '" + std::string(name) + "'";
  if (name == "uring") {
    throw std::invalid_argument(given +
                                ", but this build has only 'epoll'; 'auto' takes what there is");
  }
  throw std::invalid_argument(given + "; allowed are 'auto' and 'epoll'");
}

}  // namespace weft::detail
