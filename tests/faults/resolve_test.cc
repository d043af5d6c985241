// Goal: what the system refuses to a lookup is told with the name that was asked for, and leaves
// nothing open. Method: getaddrinfo(), or what a lookup by c-ares needs, fails.

#include <gmock/gmock.h>
#include <netdb.h>

#include <cerrno>

#include "faults/bounded.h"
#include "faults/injector.h"
#include "support/dns_server.h"
#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;
using faults::bounded;
using faults::Call;
using faults::Fault;
using faults::Injection;
using testing::StartsWith;

void ask_system() { resolve("localhost", 0, {.use_system = true}); }

TEST(Resolve, TellsWhatTheResolverSaid) {
  bounded(2, [] {
    for (const int code : {EAI_AGAIN, EAI_MEMORY, EAI_FAIL, EAI_NONAME}) {
      const Injection injection(Fault{.call = Call::kResolve, .error = code});
      EXPECT_EQ(error_of(ask_system), std::error_code(code, resolve_category()));
    }
    const Injection injection(Fault{.call = Call::kResolve, .error = EAI_SYSTEM});
    try {
      ask_system();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::error_code(EMFILE, std::system_category()));
      EXPECT_THAT(error.what(), StartsWith("resolve 'localhost': "));
    }
    EXPECT_FALSE(resolve("localhost").empty());
  });
}

#if defined(WEFT_HAVE_CARES)

TEST(Resolve, TellsThatItHasNoSocket) {
  bounded(2, [] {
    const DnsServer server;
    const ResolveOptions options{.servers = {server.address()}};
    const auto ask = [&] { resolve("four.test", 0, options); };
    for (const int error : {EMFILE, ENFILE, ENOBUFS}) {
      const Injection injection(
          Fault{.call = Call::kSocket, .error = error, .times = faults::kAlways});
      EXPECT_EQ(error_of(ask), std::error_code(error, std::system_category()));
      EXPECT_THAT(message_of(ask), StartsWith("resolve 'four.test': "));
    }
    EXPECT_FALSE(resolve("four.test", 0, options).empty());
  });
}

// By TCP there are several sockets to wait for at once.
TEST(Resolve, TellsThatItCannotWait) {
  bounded(2, [] {
    const DnsServer server;
    const ResolveOptions options{.servers = {server.address()}};
    const auto ask = [&] { resolve("long.test", 0, options); };
    for (const Call call : {Call::kEpollCreate, Call::kEpollControl}) {
      const std::size_t before = process_counts().descriptors;
      const Injection injection(Fault{.call = call, .error = ENOMEM, .times = faults::kAlways});
      EXPECT_EQ(error_of(ask), std::error_code(ENOMEM, std::system_category()));
      EXPECT_THAT(message_of(ask), StartsWith("resolve 'long.test': "));
      EXPECT_LE(process_counts().descriptors, before + 4) << "the server's, of TCP";
    }
    EXPECT_EQ(resolve("long.test", 0, options).size(), 100U);
  });
}

#endif

}  // namespace
}  // namespace weft
