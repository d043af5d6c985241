#pragma once

#include <string>

namespace weft::detail {

/// "SIGTERM", or "signal 40" where there is no name.
std::string signal_name(int number);

}  // namespace weft::detail
