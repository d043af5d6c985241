// Goal: names are understood from a name server that others wrote. Method: dnsmasq, with records of
// the test's own.

#include <weft/resolve.h>

#include <gmock/gmock.h>
#include <netdb.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/child.h"
#include "support/lacking.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace support;

using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr int kMany = 200;  // whose answer takes more than a datagram has room for

class ResolveDnsmasq : public testing::Test {
 protected:
  void SetUp() override {
#if !defined(WEFT_HAVE_CARES)
    GTEST_SKIP() << "this build resolves with getaddrinfo()";
#endif
    if (program_.empty()) return lacking("dnsmasq is not installed");
    std::string hosts;
    for (int i = 1; i <= kMany; ++i) hosts += "192.0.2." + std::to_string(i) + " many.test\n";
    folder_.write("hosts", hosts);
    for (int attempt = 0; attempt < 5 && server_ == nullptr; ++attempt) start();
    ASSERT_NE(server_, nullptr) << "dnsmasq does not start";
  }

  // On a port that was free a moment ago.
  void start() {
    run([&] {
      TcpListener listener = TcpListener::bind("127.0.0.1", 0);
      at_ = listener.local_address();
    });
    server_ = std::make_unique<Child>(
        std::vector<std::string>{
            program_, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            "--listen-address=127.0.0.1", "--bind-interfaces",
            "--port=" + std::to_string(at_.port()), "--pid-file=" + folder_ / "pid",
            "--log-facility=-", "--user=", "--group=", "--addn-hosts=" + folder_ / "hosts",
            "--local=/test/", "--auth-ttl=60", "--host-record=four.test,192.0.2.4",
            "--host-record=six.test,2001:db8::6", "--host-record=both.test,192.0.2.4,2001:db8::6",
            "--cname=alias.test,both.test"},
        folder_ / "output");
    if (server_->wait_for("\n").find("failed to create listening socket") != std::string::npos) {
      return server_.reset();  // somebody else has the port by now
    }
    server_->wait_for(std::to_string(kMany) + " names");
  }

  std::vector<std::string> ask(const std::string& name,
                               AddressFamily family = AddressFamily::kAny) const {
    std::vector<std::string> all;
    for (const SocketAddress& address : resolve(name, 80, {.family = family, .servers = {at_}})) {
      all.push_back(address.to_string());
    }
    return all;
  }

  const std::string program_ = find_program("dnsmasq");
  const TemporaryFolder folder_;
  SocketAddress at_;
  std::unique_ptr<Child> server_;
};

TEST_F(ResolveDnsmasq, KnowsBothFamiliesAndAliases) {
  run([&] {
    EXPECT_THAT(ask("four.test"), ElementsAre("192.0.2.4:80"));
    EXPECT_THAT(ask("six.test"), ElementsAre("[2001:db8::6]:80"));
    for (const char* name : {"both.test", "alias.test", "ALIAS.test."}) {
      EXPECT_THAT(ask(name), UnorderedElementsAre("192.0.2.4:80", "[2001:db8::6]:80")) << name;
    }
    EXPECT_THAT(ask("both.test", AddressFamily::kIpv6), ElementsAre("[2001:db8::6]:80"));
  });
}

TEST_F(ResolveDnsmasq, ToldThatThereIsNone) {
  run([&] {
    const auto code_of = [&](const char* name, AddressFamily family) {
      return error_of([&] { ask(name, family); });
    };
    EXPECT_EQ(code_of("missing.test", AddressFamily::kAny),
              std::error_code(EAI_NONAME, resolve_category()));
    EXPECT_EQ(code_of("four.test", AddressFamily::kIpv6),
              std::error_code(EAI_NODATA, resolve_category()));
    EXPECT_EQ(code_of("elsewhere.example", AddressFamily::kIpv4),  // which it leaves to others
              std::error_code(EAI_FAIL, resolve_category()));
  });
}

TEST_F(ResolveDnsmasq, SaysMoreThanADatagramHolds) {
  run([&] {
    std::vector<std::string> all = ask("many.test", AddressFamily::kIpv4);
    EXPECT_EQ(all.size(), kMany);
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
  });
}

TEST_F(ResolveDnsmasq, AnswersManyAtOnce) {
  run([&] {
    std::vector<std::function<std::size_t()>> questions;
    for (int i = 0; i < 100; ++i) {
      questions.push_back([&, i] { return ask(i % 2 == 0 ? "both.test" : "alias.test").size(); });
    }
    EXPECT_THAT(gather(questions), testing::Each(2));
  });
}

// It is stopped, and goes on later.
TEST_F(ResolveDnsmasq, SilenceEndsByATimeLimit) {
  run([&] {
    server_->signal(SIGSTOP);
    EXPECT_THROW(timeout(50ms, [&] { ask("both.test"); }), TimeoutError);
    server_->signal(SIGCONT);
    EXPECT_EQ(ask("both.test").size(), 2);
  });
}

}  // namespace
}  // namespace weft
