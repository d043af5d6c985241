#pragma once

#include <string>

namespace porting {

/// From now on the calling thread, and those that it starts, see a loopback of their own and no
/// other network, and ask the name server at its port 53, once and for a second. "" or what is not
/// permitted.
std::string enter_private_network();

}  // namespace porting
