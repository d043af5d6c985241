#pragma once

#include <memory>
#include <string_view>

#include "reactor/reactor.h"

namespace weft::detail {

/// Makes the driver that Options::driver or WEFT_DRIVER asks for: "epoll", "mixed", "uring", or
/// "auto" (also ""), which is "mixed" where the kernel grants rings, and epoll elsewhere, with a
/// line that says why if `tells`. Throws std::invalid_argument for any other name and for one that
/// this build lacks, and std::system_error when the kernel refuses.
std::unique_ptr<Reactor> make_driver(std::string_view name, unsigned workers, bool tells = false);

}  // namespace weft::detail
