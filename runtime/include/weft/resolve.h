#pragma once

#include <weft/address.h>

#include <cstdint>
#include <string_view>
#include <system_error>
#include <vector>

namespace weft {

/// Finds the addresses of `host` for TCP, in the system's order of preference; never none. A
/// numeric address is taken as it is, at once. A name goes to getaddrinfo() on the blocking pool
/// while the fiber waits; a plain thread asks by itself and blocks. Throws std::system_error that
/// names the host: of resolve_category() when there is no answer, of std::system_category() when
/// the system failed. Cancellable: the question asked goes on by itself, its answer is dropped.
std::vector<SocketAddress> resolve(std::string_view host, std::uint16_t port = 0);

/// The errors of getaddrinfo(), EAI_NONAME and the like.
const std::error_category& resolve_category() noexcept;

}  // namespace weft
