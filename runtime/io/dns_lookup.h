#pragma once

#include <weft/resolve.h>

#include <string>
#include <vector>

namespace weft::detail {

/// Looks a name up with c-ares, which reads /etc/hosts and asks servers. As resolve();
/// `family` is AF_INET, AF_INET6 or AF_UNSPEC.
///
/// Each lookup has a channel of its own, in the frame of whoever asks: so a lookup that is
/// cancelled takes its questions and sockets with it, every question comes from a port of its own
/// (which makes it harder to forge an answer), /etc/resolv.conf is read anew, and nobody waits for
/// a lock. To make one costs some 20 us, less than the way to a thread and back.
std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port, int family,
                                   const ResolveOptions& options);

}  // namespace weft::detail
