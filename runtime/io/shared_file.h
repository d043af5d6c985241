#pragma once

// Reading and writing through an open file that other processes have, too, as they have a program's
// standard input and output. O_NONBLOCK belongs to the open file, not to the descriptor: to set it
// here would break all who expect their calls to block. So it is left alone, and each call is asked
// not to block by other means:
//
//   sockets             MSG_DONTWAIT
//   pipes and the like  RWF_NOWAIT
//   terminals           are opened anew, with a flag of their own: see io/inherited_stream.cc
//   what cannot be and  the blocking pool, once the kernel says that it is ready, for others may be
//   refuses the flag    quicker: io/blocking_calls.h
//   files on disk       the blocking pool, as they are always ready and never quick

#include <span>

#include "io/stream_state.h"
#include "reactor/reactor.h"

namespace weft::detail {

/// Like Reactor::read() and Reactor::write().
IoResult read_shared(Reactor& reactor, const StreamState& state, std::span<std::byte> into);
IoResult write_shared(Reactor& reactor, const StreamState& state, std::span<const iovec> parts);

}  // namespace weft::detail
