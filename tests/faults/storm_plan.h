#pragma once

// What fails in a storm, and how often.

#include <netdb.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "faults/injector.h"

namespace faults {

// Whether the clients do more than talk.
inline bool is_mixed() {
  static const bool mixed = std::getenv("WEFT_FAULT_MIXED") != nullptr;
  return mixed;
}

// By what chance each call fails. What is only tried again may come often; what ends a connection
// must leave some of them whole.
inline const std::vector<Fault>& plan() {
  const auto once_in = [](unsigned chances, Call call, int error, std::size_t most = 0) {
    return Fault{.call = call, .error = error, .most = most, .times = kAlways, .one_in = chances};
  };
  static const std::vector<Fault> of_connections = {
      once_in(5, Call::kReceive, EINTR),        once_in(5, Call::kReceive, EAGAIN),
      once_in(5, Call::kReceive, 0, 1),         once_in(5, Call::kReceive, 0, 700),
      once_in(300, Call::kReceive, ECONNRESET), once_in(400, Call::kReceive, ETIMEDOUT),
      once_in(500, Call::kReceive, ENOMEM),     once_in(5, Call::kSend, EINTR),
      once_in(5, Call::kSend, EAGAIN),          once_in(5, Call::kSend, 0, 1),
      once_in(5, Call::kSend, 0, 700),          once_in(400, Call::kSend, EPIPE),
      once_in(400, Call::kSend, ENOBUFS),       once_in(5, Call::kAccept, EINTR),
      once_in(5, Call::kAccept, EAGAIN),        once_in(10, Call::kAccept, ECONNABORTED),
      once_in(20, Call::kAccept, EMFILE),       once_in(20, Call::kAccept, ENFILE),
      once_in(20, Call::kAccept, ENOBUFS),      once_in(3, Call::kConnect, EINTR),
      once_in(50, Call::kConnect, ETIMEDOUT),   once_in(50, Call::kConnect, EADDRNOTAVAIL),
      once_in(60, Call::kSocket, EMFILE),       once_in(60, Call::kSocket, ENFILE),
      once_in(60, Call::kSocketOption, ENOMEM), once_in(20, Call::kShutdown, ENOBUFS),
      once_in(4, Call::kClose, EINTR),          once_in(80, Call::kEpollControl, ENOSPC),
      once_in(80, Call::kEpollControl, ENOMEM), once_in(3, Call::kEpollWait, EINTR),
      once_in(3, Call::kFutexWait, EINTR),      once_in(3, Call::kMap, ENOMEM),
      once_in(4, Call::kAdvise, EINVAL),        once_in(4, Call::kProtect, ENOMEM),
      once_in(3, Call::kThread, EAGAIN),        once_in(3, Call::kResolve, EAI_AGAIN),
      once_in(5, Call::kResolve, EAI_SYSTEM),   once_in(300, Call::kNew, ENOMEM),
      once_in(10, Call::kRingEnter, EINTR),     once_in(10, Call::kRingEnter, EAGAIN),
      once_in(50, Call::kRingEnter, EBUSY),     once_in(50, Call::kRingEnter, ENOMEM),
      once_in(5, Call::kRingEnter, 0, 1),
  };
  static const std::vector<Fault> of_rings = {
      once_in(5, Call::kRingReceive, EINTR),      once_in(5, Call::kRingReceive, EAGAIN),
      once_in(10, Call::kRingReceive, ECANCELED), once_in(5, Call::kRingReceive, 0, 1),
      once_in(5, Call::kRingReceive, 0, 700),     once_in(300, Call::kRingReceive, ECONNRESET),
      once_in(300, Call::kRingReceive, ENOMEM),   once_in(5, Call::kRingSend, EINTR),
      once_in(5, Call::kRingSend, EAGAIN),        once_in(5, Call::kRingSend, 0, 700),
      once_in(100, Call::kRingSend, EPIPE),       once_in(5, Call::kRingAccept, EINTR),
      once_in(5, Call::kRingAccept, EAGAIN),      once_in(10, Call::kRingAccept, ECONNABORTED),
      once_in(20, Call::kRingAccept, EMFILE),     once_in(10, Call::kRingPoll, ECANCELED),
      once_in(100, Call::kRingPoll, ENOMEM),      once_in(10, Call::kRingRead, EINTR),
      once_in(5, Call::kRingRead, 0, 1000),       once_in(50, Call::kRingRead, EIO),
      once_in(10, Call::kRingWrite, EINTR),       once_in(5, Call::kRingWrite, 0, 1000),
      once_in(50, Call::kRingWrite, ENOSPC),      once_in(50, Call::kRingSync, EIO),
  };
  static const std::vector<Fault> of_others = {
      once_in(5, Call::kRead, EINTR),
      once_in(5, Call::kRead, 0, 1),
      once_in(30, Call::kPipe, EMFILE),
      once_in(5, Call::kReceiveMessage, EINTR),
      once_in(50, Call::kReceiveMessage, ENOMEM),
  };
  static const std::vector<Fault> all_of_them = [] {
    std::vector<Fault> all = of_connections;
    all.insert(all.end(), of_rings.begin(), of_rings.end());
    if (is_mixed()) all.insert(all.end(), of_others.begin(), of_others.end());
    return all;
  }();
  return all_of_them;
}

}  // namespace faults
