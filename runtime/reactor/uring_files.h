#pragma once

// Files on disk, by a ring: the kernel takes the call, and tells when the disk has done its part.

#include "reactor/reactor.h"
#include "reactor/uring_rings.h"

namespace weft::detail {

/// As Reactor::do_file_call(), in the ring of the worker that the caller runs on.
IoResult do_file_call(const Rings& rings, const FdOperation& operation, const FileCall& call);

}  // namespace weft::detail
