// Goal: what name servers say, or fail to say, becomes addresses or an error that tells what was
// wrong; a lookup that ends leaves nothing behind. Method: a name server of the test's own.

#include <weft/resolve.h>

#include <gmock/gmock.h>
#include <netdb.h>

#include <chrono>
#include <thread>

#include "support/build_kind.h"
#include "support/dns_server.h"
#include "support/eventually.h"
#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace support;

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class ResolveDns : public testing::Test {
 protected:
  void SetUp() override {
#if !defined(WEFT_HAVE_CARES)
    GTEST_SKIP() << "this build resolves with getaddrinfo()";
#endif
  }

  ResolveOptions options(AddressFamily family = AddressFamily::kAny) const {
    return {.family = family, .servers = {server_.address()}};
  }
  static std::vector<std::string> texts(const std::vector<SocketAddress>& addresses) {
    std::vector<std::string> all;
    for (const SocketAddress& address : addresses) all.push_back(address.to_string());
    return all;
  }
  std::vector<std::string> ask(const std::string& name) const {
    return texts(resolve(name, 80, options()));
  }
  void expect_error(const std::string& name, int code, const char* what) const {
    const auto asked = [&] { ask(name); };
    EXPECT_EQ(error_of(asked), std::error_code(code, resolve_category())) << name;
    EXPECT_THAT(message_of(asked), AllOf(HasSubstr("'" + name + "'"), HasSubstr(what)));
  }

  DnsServer server_;
};

/// The address of a server that nobody is.
SocketAddress closed_port() {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  return listener.local_address();
}

TEST_F(ResolveDns, FindsAddressesOfBothFamilies) {
  run([&] {
    EXPECT_THAT(ask("four.test"), ElementsAre("192.0.2.4:80"));
    EXPECT_THAT(ask("six.test"), ElementsAre("[2001:db8::6]:80"));
    EXPECT_THAT(ask("both.test"), UnorderedElementsAre("192.0.2.4:80", "[2001:db8::6]:80"));
    EXPECT_THAT(ask("both.test."), UnorderedElementsAre("192.0.2.4:80", "[2001:db8::6]:80"));
    EXPECT_EQ(server_.questions(), 8) << "one for each family";
  });
}

TEST_F(ResolveDns, FindsThoseOfOneFamilyOnly) {
  run([&] {
    const auto only = [&](AddressFamily family) {
      return texts(resolve("both.test", 1, options(family)));
    };
    EXPECT_THAT(only(AddressFamily::kIpv4), ElementsAre("192.0.2.4:1"));
    EXPECT_THAT(only(AddressFamily::kIpv6), ElementsAre("[2001:db8::6]:1"));
    EXPECT_EQ(server_.questions(), 2);
    EXPECT_EQ(error_of([&] { resolve("four.test", 1, options(AddressFamily::kIpv6)); }),
              std::error_code(EAI_NODATA, resolve_category()));
    EXPECT_EQ(error_of([&] { resolve("127.0.0.1", 1, options(AddressFamily::kIpv6)); }),
              std::error_code(EAI_NODATA, resolve_category()));
  });
}

TEST_F(ResolveDns, FollowsAliases) {
  run([&] { EXPECT_THAT(ask("alias.test"), ElementsAre("192.0.2.7:80")); });
}

TEST_F(ResolveDns, TakesHostsFromTheFileWithoutAQuestion) {
  run([&] {
    EXPECT_EQ(resolve("localhost", 80, options(AddressFamily::kIpv4)).front().to_string(),
              "127.0.0.1:80");
    EXPECT_EQ(server_.questions(), 0);
  });
}

TEST_F(ResolveDns, ErrorsTellWhatWasWrong) {
  run([&] {
    expect_error("missing.test", EAI_NONAME, "not found");
    expect_error("empty.test", EAI_NODATA, "no data");
    expect_error("servfail.test", EAI_FAIL, "general failure");
    expect_error("refused.test", EAI_FAIL, "refused");
    expect_error("nonsense.test", EAI_FAIL, "isformatted");
    expect_error("bad..name.test", EAI_NONAME, "isformatted domain name");
    expect_error(std::string(300, 'x') + ".test", EAI_NONAME, "isformatted domain name");
  });
}

TEST_F(ResolveDns, ServerThatIsSilentIsATimeout) {
  run([&] {
    ResolveOptions impatient = options();
    impatient.timeout = 30ms;
    impatient.tries = 2;
    for (const char* const name : {"silent.test", "short.test"}) {
      const int before = server_.questions();
      const auto begin = std::chrono::steady_clock::now();
      const auto ask_it = [&] { resolve(name, 80, impatient); };
      EXPECT_EQ(error_of(ask_it), std::error_code(EAI_AGAIN, resolve_category()));
      EXPECT_GE(std::chrono::steady_clock::now() - begin, 90ms) << "30, then 60";
      // The server counts what it has read, which may come late.
      const auto were_asked = [&](int more) {
        return eventually([&] { return server_.questions() - before == more; });
      };
      EXPECT_TRUE(were_asked(4)) << "two families, two tries";
      EXPECT_THAT(message_of(ask_it), AllOf(HasSubstr(name), HasSubstr("Timeout")));
      EXPECT_TRUE(were_asked(8)) << "likewise";
    }
  });
}

TEST_F(ResolveDns, AsksAgainWhenAnAnswerIsLost) {
  run([&] {
    ResolveOptions impatient = options(AddressFamily::kIpv4);
    impatient.timeout = 100ms;
    EXPECT_THAT(texts(resolve("second.test", 80, impatient)), ElementsAre("192.0.2.4:80"));
    // More where the machine is so busy that the second answer comes late, too.
    EXPECT_GE(server_.questions(), 2);
  });
}

TEST_F(ResolveDns, ServerThatCannotBeReachedIsNamedAsSuch) {
  run([&] {
    const auto ask_nobody = [] { resolve("four.test", 80, {.servers = {closed_port()}}); };
    EXPECT_EQ(error_of(ask_nobody), std::error_code(EAI_AGAIN, resolve_category()));
    EXPECT_THAT(message_of(ask_nobody), HasSubstr("Could not contact"));
  });
}

TEST_F(ResolveDns, TheNextServerAnswersForOneThatDoesNot) {
  run([&] {
    DnsServer other;
    const auto ask_both = [&](const std::string& name, const SocketAddress& first) {
      return texts(resolve(name, 80, {.servers = {first, other.address()}, .timeout = 200ms}));
    };
    EXPECT_THAT(ask_both("four.test", closed_port()), ElementsAre("192.0.2.4:80"));
    // A listener that reads nothing: it is there, and silent.
    const int silent = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(silent, any, size), 0);
    ASSERT_EQ(::getsockname(silent, any, &size), 0);
    EXPECT_THAT(ask_both("both.test", SocketAddress::from(any, size).value()),
                UnorderedElementsAre("192.0.2.4:80", "[2001:db8::6]:80"));
    EXPECT_THAT(ask_both("long.test", SocketAddress::from(any, size).value()),
                testing::SizeIs(100));
    ::close(silent);
  });
}

TEST_F(ResolveDns, WhatIsTooLongComesByTcp) {
  run([&] {
    EXPECT_THAT(ask("long.test"), testing::SizeIs(100));
    EXPECT_EQ(server_.by_tcp(), 1);
  });
}

TEST_F(ResolveDns, AnswersToOtherQuestionsDoNotCount) {
  run([&] { EXPECT_THAT(ask("forged.test"), ElementsAre("192.0.2.4:80")); });
}

TEST_F(ResolveDns, ManyAtOnceGetEachItsOwn) {
  constexpr int kMany = 500;
  run([&] {
    std::vector<Task<std::vector<std::string>>> lookups;
    for (int i = 0; i < kMany; ++i) {
      lookups.push_back(spawn([this, i] { return ask("n" + std::to_string(i) + ".test"); }));
    }
    for (int i = 0; i < kMany; ++i) {
      EXPECT_THAT(
          lookups[static_cast<std::size_t>(i)].get(),
          ElementsAre("198.18." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ":80"));
    }
    EXPECT_GE(server_.questions(), 2 * kMany);
  });
}

TEST_F(ResolveDns, CancelledLeavesNothingBehind) {
  run([&] {
    const std::size_t before = process_counts().descriptors;
    EXPECT_THROW(timeout(20ms, [&] { ask("silent.test"); }), TimeoutError);
    EXPECT_EQ(process_counts().descriptors, before);

    std::vector<Task<void>> lookups;
    for (int i = 0; i < 100; ++i) lookups.push_back(spawn([&] { ask("silent.test"); }));
    until([&] { return process_counts().descriptors >= before + 100; });
    until([&] { return server_.questions() >= 200; });  // so they wait for answers
    for (Task<void>& lookup : lookups) lookup.cancel();
    for (Task<void>& lookup : lookups) lookup.join();
    for (Task<void>& lookup : lookups) EXPECT_TRUE(lookup.cancelled());
    EXPECT_EQ(process_counts().descriptors, before);
  });
}

// At any moment: before the first question, between question and answer, with the answer.
TEST_F(ResolveDns, CancelledWheneverItLeavesNothingBehind) {
  run([&] {
    const std::size_t before = process_counts().descriptors;
    for (int i = 0; i < scaled(300); ++i) {
      Task<void> lookup = spawn([&, i] { ask(i % 3 == 0 ? "long.test" : "both.test"); });
      sleep_for(std::chrono::microseconds(i % 100 * 10));
      lookup.cancel();
      lookup.join();
    }
    until([&] { return process_counts().descriptors <= before + 1; });  // the server's, of TCP
    EXPECT_THAT(ask("four.test"), ElementsAre("192.0.2.4:80"));
  });
}

TEST_F(ResolveDns, OthersRunMeanwhile) {
  run(Options{.workers = 1}, [&] {
    Task<void> lookup = spawn([&] { ask("silent.test"); });
    for (int i = 0; i < 50; ++i) sleep_for(100us);
    EXPECT_FALSE(lookup.done());
    lookup.cancel();
    lookup.join();
  });
}

struct Ending {
  ~Ending() { end(); }
  std::function<void()> end;
};

// Nothing can end such a wait but its own end: no timer by a cancellation.
TEST_F(ResolveDns, TimesOutWhileAnExceptionUnwinds) {
  run([&] {
    ResolveOptions impatient = options();
    impatient.timeout = 20ms;
    impatient.tries = 1;
    std::error_code error;
    std::vector<std::string> found;
    try {
      const Ending ending{[&] {
        error = error_of([&] { resolve("silent.test", 80, impatient); });
        found = ask("four.test");
      }};
      throw 1;
    } catch (int) {
    }
    EXPECT_EQ(error, std::error_code(EAI_AGAIN, resolve_category()));
    EXPECT_THAT(found, ElementsAre("192.0.2.4:80"));
  });
}

TEST_F(ResolveDns, AnswersAPlainThreadToo) {
  EXPECT_THAT(ask("both.test"), UnorderedElementsAre("192.0.2.4:80", "[2001:db8::6]:80"));
  EXPECT_THAT(ask("long.test"), testing::SizeIs(100));
  ResolveOptions impatient = options();
  impatient.timeout = 20ms;
  impatient.tries = 1;
  EXPECT_EQ(error_of([&] { resolve("silent.test", 80, impatient); }),
            std::error_code(EAI_AGAIN, resolve_category()));
}

TEST_F(ResolveDns, RefusesOptionsThatMakeNoSense) {
  const auto message = [](ResolveOptions wrong) {
    return message_of([&] { resolve("four.test", 80, wrong); });
  };
  EXPECT_THAT(message({.timeout = 0ms}), HasSubstr("timeout"));
  EXPECT_THAT(message({.tries = 0}), HasSubstr("tries"));
  EXPECT_THAT(message({.servers = {SocketAddress()}}), HasSubstr("server's address is empty"));
  EXPECT_THAT(
      message({.servers = {server_.address(), SocketAddress::parse("fe80::1%7", 53).value()}}),
      HasSubstr("[fe80::1%"));
  EXPECT_THAT(message({.servers = {server_.address()}, .use_system = true}),
              HasSubstr("use_system"));
}

}  // namespace
}  // namespace weft
