#pragma once

// Files on disk, by a ring: the kernel takes the call, and tells when the disk has done its part.

#include "reactor/reactor.h"
#include "reactor/uring_ring.h"

namespace weft::detail {

/// As Reactor::do_file_call().
IoResult do_file_call(Ring& ring, const FdOperation& operation, const FileCall& call);

}  // namespace weft::detail
