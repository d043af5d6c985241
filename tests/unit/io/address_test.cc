// Goal: addresses read and print as people write them, and compare as values. Method: tables of
// texts.

#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/un.h>
#include <weft/address.h>

#include <set>
#include <string>

namespace weft {
namespace {

std::string round_trip(std::string_view host, std::uint16_t port) {
  const auto address = SocketAddress::parse(host, port);
  return address.has_value() ? address->to_string() : "nothing";
}

TEST(SocketAddress, PrintsWhatItRead) {
  EXPECT_EQ(round_trip("127.0.0.1", 80), "127.0.0.1:80");
  EXPECT_EQ(round_trip("::1", 65535), "[::1]:65535");
  EXPECT_EQ(round_trip("2001:DB8:0::1", 1), "[2001:db8::1]:1");
  EXPECT_EQ(round_trip("::ffff:1.2.3.4", 1), "[::ffff:1.2.3.4]:1");
  EXPECT_EQ(SocketAddress().to_string(), "(none)");
}

TEST(SocketAddress, ScopeIsANameOrANumber) {
  EXPECT_EQ(round_trip("fe80::1%4000000", 1), "[fe80::1%4000000]:1");
  if (::if_nametoindex("lo") != 0) {
    EXPECT_EQ(round_trip("fe80::1%lo", 1), "[fe80::1%lo]:1");
  }
  EXPECT_EQ(round_trip(std::string_view("fe80::1%lo\0x", 12), 1), "nothing");
  EXPECT_EQ(round_trip(std::string_view("fe80::1%lo\0", 11), 1), "nothing");
  EXPECT_EQ(round_trip("fe80::1%nosuchinterface", 1), "nothing");
  EXPECT_EQ(round_trip("fe80::1%", 1), "nothing");
  EXPECT_EQ(round_trip("127.0.0.1%lo", 1), "nothing");
}

TEST(SocketAddress, ReadsNothingElse) {
  using namespace std::string_view_literals;
  for (const std::string_view host :
       {""sv, "localhost"sv, "127.0.0"sv, "127.0.0.1 "sv, "1.2.3.4\0"sv, "[::1]"sv, ":::"sv}) {
    EXPECT_EQ(round_trip(host, 1), "nothing") << host;
  }
  EXPECT_EQ(round_trip(std::string(1000, '1'), 1), "nothing");
}

TEST(SocketAddress, TakesFromTheKernelTwoFamiliesOnly) {
  const SocketAddress address = SocketAddress::parse("::1", 7).value();
  EXPECT_EQ(SocketAddress::from(address.data(), address.size()), address);
  EXPECT_EQ(SocketAddress::from(address.data(), address.size() - 1), std::nullopt);
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_EQ(SocketAddress::from(reinterpret_cast<sockaddr*>(&local), sizeof(local)), std::nullopt);
}

TEST(SocketAddress, ComparesAsAValue) {
  const std::set<SocketAddress> addresses = {
      SocketAddress::parse("::1", 1).value(),
      SocketAddress::parse("::1", 2).value(),
      SocketAddress::parse("127.0.0.1", 1).value(),
      SocketAddress::parse("127.0.0.2", 1).value(),
      SocketAddress::parse("::1%1", 1).value(),
      SocketAddress::parse("::1", 1).value(),
      SocketAddress(),
      SocketAddress(),
  };
  EXPECT_EQ(addresses.size(), 6U);
}

TEST(SocketAddress, PortIsReplacedInACopy) {
  const SocketAddress address = SocketAddress::parse("::1", 1).value();
  EXPECT_EQ(address.with_port(2).to_string(), "[::1]:2");
  EXPECT_EQ(address.port(), 1);
  EXPECT_TRUE(SocketAddress().with_port(2).empty());
}

}  // namespace
}  // namespace weft
