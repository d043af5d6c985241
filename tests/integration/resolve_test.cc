// Goal: names and numbers become addresses, and what cannot be resolved says so. Method: names that
// need no network: numeric ones, localhost, and a top-level domain that is reserved for not
// existing.

#include <weft/resolve.h>

#include <gmock/gmock.h>
#include <netdb.h>

#include <algorithm>
#include <future>
#include <thread>

#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

bool is_loopback(const SocketAddress& address) {
  return address.host() == "127.0.0.1" || address.host() == "::1";
}

TEST(Resolve, TakesNumbersAsTheyAre) {
  run([] {
    EXPECT_EQ(resolve("192.0.2.1", 80).front().to_string(), "192.0.2.1:80");
    EXPECT_EQ(resolve("2001:db8::1").front().to_string(), "[2001:db8::1]:0");
  });
}

TEST(Resolve, FindsLocalhost) {
  run([] {
    const std::vector<SocketAddress> addresses = resolve("localhost", 81);
    ASSERT_THAT(addresses, Not(IsEmpty()));
    EXPECT_TRUE(std::all_of(addresses.begin(), addresses.end(), is_loopback));
    EXPECT_EQ(addresses.front().port(), 81);
  });
}

TEST(Resolve, AnswersAPlainThreadToo) {
  EXPECT_TRUE(is_loopback(resolve("localhost", 81).front()));
}

TEST(Resolve, UnknownNameIsAnErrorThatNamesIt) {
  run([] {
    const auto ask = [] { resolve("no-such-host.invalid", 80); };
    EXPECT_EQ(&error_of(ask).category(), &resolve_category());
    EXPECT_THAT(message_of(ask), HasSubstr("no-such-host.invalid"));
    EXPECT_THAT(message_of([] { TcpStream::connect("no-such-host.invalid", 80); }),
                HasSubstr("no-such-host.invalid"));
  });
}

TEST(Resolve, NameThatCannotBeOneIsUnknown) {
  using namespace std::string_view_literals;
  run([] {
    EXPECT_EQ(error_of([] { resolve(""); }), std::error_code(EAI_NONAME, resolve_category()));
    EXPECT_EQ(error_of([] { resolve("localhost\0.invalid"sv); }),
              std::error_code(EAI_NONAME, resolve_category()));
  });
}

TEST(Resolve, OthersRunMeanwhile) {
  run(Options{.workers = 1}, [] {
    const auto [address, sum] = gather([] { return resolve("localhost").front(); },
                                       [] {
                                         int turns = 0;
                                         for (; turns < 10; ++turns) yield();
                                         return turns;
                                       });
    EXPECT_TRUE(is_loopback(address));
    EXPECT_EQ(sum, 10);
  });
}

TEST(Resolve, CancelledItLeavesTheQuestionToTheSystem) {
  run(Options{.blocking_threads = 1}, [] {
    // The only thread of the pool is busy, so the answer cannot come before the cancellation.
    std::promise<void> release;
    Event started;
    Task<void> busy = spawn([&] {
      to_thread([&] {
        started.set();
        release.get_future().wait();
      });
    });
    started.wait();
    EXPECT_THROW(timeout(std::chrono::milliseconds(2),
                         [] { resolve("localhost", 0, {.use_system = true}); }),
                 TimeoutError);
    release.set_value();
    busy.get();
    EXPECT_TRUE(is_loopback(resolve("localhost", 0, {.use_system = true}).front()));
  });
}

TEST(Resolve, TheSystemAnswersTheSame) {
  run([] {
    const ResolveOptions system{.family = AddressFamily::kIpv4, .use_system = true};
    EXPECT_EQ(resolve("localhost", 81, system).front().to_string(), "127.0.0.1:81");
    EXPECT_EQ(error_of([&] { resolve("::1", 81, system); }),
              std::error_code(EAI_NODATA, resolve_category()));
    // Short for 127.0.0.1, which only the system knows.
    const ResolveOptions six{.family = AddressFamily::kIpv6, .use_system = true};
    EXPECT_EQ(error_of([&] { resolve("127.1", 81, six); }),
              std::error_code(EAI_NODATA, resolve_category()));
  });
}

}  // namespace
}  // namespace weft
