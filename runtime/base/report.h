#pragma once

#include <string>

namespace weft::detail {

/// "weft: TEXT" on standard error, at once, so that lines of several threads are not mixed.
void report(const std::string& text);

}  // namespace weft::detail
