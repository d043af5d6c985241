// Goal: a call on a connection that fails is told to the fiber that made it, by its code and with
// the operation and the peer in the message, and to nobody else; what the kernel wants tried again
// is tried again, and nothing of it shows. Method: each call fails in each way on its own, on one
// connection, while another one in the same runtime talks on.

#include <gmock/gmock.h>

#include <cerrno>
#include <cstring>
#include <type_traits>
#include <vector>

#include "faults/bounded.h"
#include "faults/injector.h"
#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;
using faults::bounded;
using faults::Call;
using faults::Fault;
using faults::Injection;

constexpr std::size_t kTalk = 300'000;  // more than the kernel's buffers take at once

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

void write_in_parts(TcpStream& stream, std::string& text) {
  const std::size_t third = text.size() / 3;
  const iovec parts[] = {{text.data(), third}, {text.data() + third, text.size() - third}};
  stream.write_all(parts);
}

std::string read_all(TcpStream& stream, std::size_t size) {
  std::string text(size, '?');
  stream.read_exactly(bytes_of(text));
  return text;
}

// Both directions at once, in parts and as a whole; every byte once and in order. Who fails closes
// both ends, so that nobody waits for the rest.
void talk(Connected& pair) {
  std::string text = pattern(kTalk);
  const auto closing = [&pair](auto body) {
    return [&pair, body] {
      try {
        body();
      } catch (...) {
        pair.client.close();
        pair.server.close();
        throw;
      }
    };
  };
  const auto [wrote, read, wrote_back, read_back] =
      gather(return_exceptions, closing([&] { write_in_parts(pair.client, text); }),
             closing([&] { EXPECT_TRUE(read_all(pair.server, kTalk) == text); }),
             closing([&] { pair.server.write_all(text); }),
             closing([&] { EXPECT_TRUE(read_all(pair.client, kTalk) == text); }));
  for (const auto* end : {&wrote, &read, &wrote_back, &read_back}) end->value();
}

// ---- What nobody is to notice.

// "receive_ECONNRESET_0".
template <class Parameter>
std::string name_of(const testing::TestParamInfo<Parameter>& parameter) {
  if constexpr (std::is_same_v<Parameter, Fault>) {
    return faults::name_of(parameter.param, parameter.index);
  } else {
    return faults::name_of(parameter.param.fault, parameter.index);
  }
}

class Retried : public testing::TestWithParam<Fault> {};

TEST_P(Retried, NothingOfItShows) {
  for (const unsigned workers : {1U, 2U}) {
    bounded(workers, [] {
      Connected other = connect_pair();
      const Task<void> beside = spawn([&] { talk(other); });
      Fault fault = GetParam();
      fault.times = 5;
      const Injection injection(fault);
      const auto talk_five_times = [] {
        for (int i = 0; i < 5; ++i) {
          Connected pair = connect_pair();
          talk(pair);
        }
      };
      EXPECT_EQ(message_of(talk_five_times), "nothing was thrown");
      beside.join();
      EXPECT_EQ(beside.exception(), nullptr);
      EXPECT_EQ(Injection::hits(), 5U);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, Retried,
                         testing::Values(Fault{.call = Call::kReceive, .error = EINTR},
                                         Fault{.call = Call::kReceive, .error = EAGAIN},
                                         Fault{.call = Call::kReceive, .most = 1},
                                         Fault{.call = Call::kReceive, .most = 1000},
                                         Fault{.call = Call::kSend, .error = EINTR},
                                         Fault{.call = Call::kSend, .error = EAGAIN},
                                         Fault{.call = Call::kSend, .most = 1},
                                         Fault{.call = Call::kSend, .most = 1000},
                                         Fault{.call = Call::kAccept, .error = EINTR},
                                         Fault{.call = Call::kAccept, .error = EAGAIN},
                                         Fault{.call = Call::kAccept, .error = ECONNABORTED},
                                         Fault{.call = Call::kAccept, .error = EPROTO},
                                         Fault{.call = Call::kAccept, .error = ENETDOWN},
                                         Fault{.call = Call::kAccept, .error = EOPNOTSUPP},
                                         Fault{.call = Call::kConnect, .error = EINTR},
                                         Fault{.call = Call::kEpollWait, .error = EINTR},
                                         Fault{.call = Call::kClose, .error = EINTR},
                                         Fault{.call = Call::kClose, .error = EIO}),
                         [](const auto& parameter) { return name_of(parameter); });

// Every single call interrupted once: nothing comes through at the first attempt.
TEST(Connection, EverySecondCallIsInterrupted) {
  bounded(2, [] {
    std::vector<Fault> plan;
    for (const Call call : {Call::kReceive, Call::kSend, Call::kAccept, Call::kConnect,
                            Call::kEpollWait, Call::kFutexWait}) {
      plan.push_back({.call = call, .error = EINTR, .times = faults::kAlways, .one_in = 2});
    }
    const Injection injection(plan, faults::Where::kWorkers, 1);
    for (int i = 0; i < 10; ++i) {
      Connected pair = connect_pair();
      talk(pair);
    }
    for (std::size_t i = 0; i < 4; ++i) EXPECT_GT(Injection::hits(i), 0U) << i;
  });
}

// ---- What its fiber is to be told.

struct Told {
  Fault fault;
  const char* operation;
};

class Reported : public testing::TestWithParam<Told> {};

void expect_told(const std::system_error& error, const Told& told, const SocketAddress& peer) {
  EXPECT_EQ(error.code(), std::error_code(told.fault.error, std::system_category()));
  EXPECT_EQ(std::string(error.what()), std::string(told.operation) + ' ' + peer.to_string() + ": " +
                                           std::strerror(told.fault.error));
}

TEST_P(Reported, ToTheFiberThatCalledAndNobodyElse) {
  bounded(2, [] {
    Connected hit = connect_pair(), other = connect_pair();
    talk(hit);
    Told told = GetParam();
    told.fault.fd = hit.client.native_handle();
    const Injection injection(told.fault);
    const auto talk_on_it = [&] {
      if (told.fault.call == Call::kReceive) {
        read_all(hit.client, 1);
      } else {
        hit.client.write_all("x");
      }
    };
    const auto waiting = spawn([&] { return error_of([&] { read_all(hit.server, 2); }); });
    const auto beside = spawn([&] { talk(other); });
    try {
      talk_on_it();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
      expect_told(error, told, hit.client.peer_address());
    }
    EXPECT_EQ(Injection::hits(), 1U);
    EXPECT_FALSE(waiting.done()) << "its peer has heard nothing yet";
    // The error was the call's, and what may be tried again still works.
    hit.client.write_all("ok");
    EXPECT_EQ(Task<std::error_code>(waiting).get(), std::error_code());
    beside.join();
    talk(other);
  });
}

INSTANTIATE_TEST_SUITE_P(
    Calls, Reported,
    testing::Values(Told{{.call = Call::kReceive, .error = ECONNRESET}, "read from"},
                    Told{{.call = Call::kReceive, .error = ETIMEDOUT}, "read from"},
                    Told{{.call = Call::kReceive, .error = ENOMEM}, "read from"},
                    Told{{.call = Call::kReceive, .error = ENOBUFS}, "read from"},
                    Told{{.call = Call::kReceive, .error = EHOSTUNREACH}, "read from"},
                    Told{{.call = Call::kSend, .error = ECONNRESET}, "write to"},
                    Told{{.call = Call::kSend, .error = EPIPE}, "write to"},
                    Told{{.call = Call::kSend, .error = ENOBUFS}, "write to"},
                    Told{{.call = Call::kSend, .error = ENOMEM}, "write to"}),
    [](const auto& parameter) { return name_of(parameter); });

// Connecting in all its steps; the next attempt succeeds, and no descriptor is left.
class RefusedToConnect : public testing::TestWithParam<Fault> {};

TEST_P(RefusedToConnect, SaysSoOnceAndLeavesNothing) {
  bounded(2, [] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    connect_to(listener);
    const std::size_t descriptors = process_counts().descriptors;
    {
      const Injection injection(GetParam());
      try {
        TcpStream::connect(listener.local_address());
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::system_error& error) {
        expect_told(error, {GetParam(), "connect to"}, listener.local_address());
      }
      EXPECT_EQ(Injection::hits(), 1U);
      EXPECT_EQ(process_counts().descriptors, descriptors);
    }
    Connected pair = connect_to(listener);
    talk(pair);
  });
}

INSTANTIATE_TEST_SUITE_P(Steps, RefusedToConnect,
                         testing::Values(Fault{.call = Call::kSocket, .error = EMFILE},
                                         Fault{.call = Call::kSocket, .error = ENFILE},
                                         Fault{.call = Call::kSocket, .error = ENOBUFS},
                                         Fault{.call = Call::kSocket, .error = ENOMEM},
                                         Fault{.call = Call::kSocketOption, .error = ENOBUFS},
                                         Fault{.call = Call::kConnect, .error = ECONNREFUSED},
                                         Fault{.call = Call::kConnect, .error = ETIMEDOUT},
                                         Fault{.call = Call::kConnect, .error = ENETUNREACH},
                                         Fault{.call = Call::kConnect, .error = EADDRNOTAVAIL},
                                         Fault{.call = Call::kConnect, .error = EAGAIN}),
                         [](const auto& parameter) { return name_of(parameter); });

// ---- Listening.

class RefusedToListen : public testing::TestWithParam<Fault> {};

TEST_P(RefusedToListen, SaysSoAndLeavesNothing) {
  const std::size_t descriptors = process_counts().descriptors;
  const SocketAddress any = SocketAddress::parse("127.0.0.1", 0).value();
  {
    const Injection injection(GetParam());
    try {
      TcpListener::bind(any);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
      expect_told(error, {GetParam(), "listen on"}, any);
    }
    EXPECT_EQ(Injection::hits(), 1U);
  }
  EXPECT_EQ(process_counts().descriptors, descriptors);
  EXPECT_NE(TcpListener::bind(any).local_port(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Steps, RefusedToListen,
    testing::Values(Fault{.call = Call::kSocket, .error = EMFILE},
                    Fault{.call = Call::kSocketOption, .error = ENOMEM},
                    Fault{.call = Call::kSocketOption, .error = ENOMEM, .skip = 2},
                    Fault{.call = Call::kListen, .error = EADDRINUSE},
                    Fault{.call = Call::kListen, .error = EADDRINUSE, .skip = 1},
                    Fault{.call = Call::kSocketName, .error = ENOBUFS}),
    [](const auto& parameter) { return name_of(parameter); });

// ---- The reactor's own call.

class NotWatched : public testing::TestWithParam<int> {};

TEST_P(NotWatched, FailsTheWaitAndTheNextOneWorks) {
  bounded(2, [] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Connected other = connect_pair();
    Connected hit = connect_to(listener);
    const Fault fault{
        .call = Call::kEpollControl, .error = GetParam(), .fd = hit.server.native_handle()};
    {
      const Injection injection(fault);
      try {
        read_all(hit.server, 1);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::system_error& error) {
        expect_told(error, {fault, "read from"}, hit.server.peer_address());
      }
    }
    gather([&] { talk(hit); }, [&] { talk(other); });
  });
}

// Others begin to wait while the kernel is asked to watch, which it refuses: each is told.
TEST_P(NotWatched, NobodyWhoWaitsSleepsOn) {
  bounded(4, [] {
    for (int round = 0; round < 10; ++round) {
      TcpListener listener = TcpListener::bind("127.0.0.1", 0);
      const Injection injection(Fault{.call = Call::kEpollControl,
                                      .error = GetParam(),
                                      .fd = listener.native_handle(),
                                      .times = faults::kAlways,
                                      .microseconds = 2000});
      const auto wait = [&] { return error_of([&] { listener.accept(); }); };
      const auto [first, second, third] = gather(wait, wait, wait);
      for (const std::error_code& code : {first, second, third}) {
        EXPECT_EQ(code.value(), GetParam());
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Errors, NotWatched, testing::Values(ENOSPC, ENOMEM));

}  // namespace
}  // namespace weft
