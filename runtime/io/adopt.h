#pragma once

#include <memory>

#include "io/stream_state.h"

namespace weft::detail {

/// Takes over a connected stream socket of one of two families, and makes it non-blocking and
/// closed on exec. Throws std::system_error; then the descriptor is closed, unless it never was
/// open.
Descriptor adopt_socket(int fd, int family, int other_family);

}  // namespace weft::detail
