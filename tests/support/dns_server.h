#pragma once

// A small name server on the loopback, UDP and TCP on one port, on a thread of its own. What it
// answers is decided by the first label of the name it is asked for: see DnsServer::answer().

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/address.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace support {

class DnsServer {
 public:
  /// On a port of its own; on one that nobody has.
  explicit DnsServer(std::uint16_t port = 0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    // The same port for both: another, if somebody has one half of it.
    for (bool bound = false; !bound;) {
      address.sin_port = htons(port);
      tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      bound = ::bind(tcp_, any, size) == 0 && ::getsockname(tcp_, any, &size) == 0 &&
              ::bind(udp_, any, size) == 0;
      if (bound) break;
      ::close(tcp_);
      ::close(udp_);
    }
    const int room = 1 << 22;
    ::setsockopt(udp_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    EXPECT_EQ(::listen(tcp_, 64), 0);
    at_ = weft::SocketAddress::from(any, size).value();
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(stop_, &one, sizeof(one)), ssize_t{sizeof(one)});
    thread_.join();
    for (const int fd : {tcp_, udp_, stop_}) ::close(fd);
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  weft::SocketAddress address() const { return at_; }
  /// How often it was asked, and how many of these by TCP.
  int questions() const { return questions_; }
  int by_tcp() const { return by_tcp_; }

 private:
  using Bytes = std::string;
  static constexpr int kA = 1, kCname = 5, kAaaa = 28;
  static constexpr int kServFail = 2, kNxDomain = 3, kRefused = 5;
  static constexpr int kTruncated = 0x0200;

  struct Question {
    Bytes id, question;  // as they are on the wire
    std::string name;
    int type = 0;
    bool tcp = false;

    std::string label() const { return name.substr(0, name.find('.')); }
  };

  static Bytes number(int value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
  }
  static Bytes name_of(const std::string& dotted) {
    Bytes wire;
    for (std::size_t at = 0; at < dotted.size();) {
      const std::size_t end = std::min(dotted.find('.', at), dotted.size());
      wire += static_cast<char>(end - at);
      wire += dotted.substr(at, end - at);
      at = end + 1;
    }
    return wire + '\0';
  }
  static Bytes record(const Bytes& owner, int type, const Bytes& data) {
    return owner + number(type) + number(1) + number(0) + number(60) +
           number(static_cast<int>(data.size())) + data;
  }
  static Bytes address_record(int type, const std::string& text, const Bytes& owner = "\xc0\x0c") {
    Bytes data(type == kA ? 4 : 16, '\0');
    EXPECT_EQ(::inet_pton(type == kA ? AF_INET : AF_INET6, text.c_str(), data.data()), 1);
    return record(owner, type, data);
  }
  static Bytes reply(const Question& asked, const std::vector<Bytes>& records, int flags = 0) {
    Bytes all = asked.id + number(0x8180 | flags) + number(1) +
                number(static_cast<int>(records.size())) + number(0) + number(0) + asked.question;
    for (const Bytes& one : records) all += one;
    return all;
  }
  static Question parse(const Bytes& wire, bool tcp) {
    Question asked{.id = wire.substr(0, 2), .question = {}, .name = {}, .tcp = tcp};
    std::size_t at = 12;
    while (wire[at] != 0) {
      const auto size = static_cast<unsigned char>(wire[at]);
      if (!asked.name.empty()) asked.name += '.';
      asked.name += wire.substr(at + 1, size);
      at += 1 + size;
    }
    asked.type = static_cast<unsigned char>(wire[at + 2]);
    asked.question = wire.substr(12, at + 5 - 12);
    return asked;
  }

  /// The packets to send, in this order; perhaps none.
  std::vector<Bytes> answer(const Question& asked) {
    const std::string label = asked.label();
    const bool v4 = asked.type == kA;
    if (label == "four")
      return {
          reply(asked, v4 ? std::vector{address_record(kA, "192.0.2.4")} : std::vector<Bytes>())};
    if (label == "six")
      return {reply(asked,
                    v4 ? std::vector<Bytes>() : std::vector{address_record(kAaaa, "2001:db8::6")})};
    if (label == "both") {
      return {reply(asked,
                    {v4 ? address_record(kA, "192.0.2.4") : address_record(kAaaa, "2001:db8::6")})};
    }
    if (label == "alias" && v4) {
      const Bytes target = name_of("real.test");
      return {reply(asked,
                    {record("\xc0\x0c", kCname, target), address_record(kA, "192.0.2.7", target)})};
    }
    if (label == "missing") return {reply(asked, {}, kNxDomain)};
    if (label == "servfail") return {reply(asked, {}, kServFail)};
    if (label == "refused") return {reply(asked, {}, kRefused)};
    if (label == "silent") return {};
    if (label == "short") return {asked.id + number(0x8180)};
    if (label == "nonsense") {
      Bytes broken = reply(asked, {address_record(kA, "192.0.2.4")});
      return {broken.substr(0, broken.size() - 9)};
    }
    // Answers to questions that were never asked come first.
    if (label == "forged" && v4) {
      Question other = asked;
      other.id[0] = static_cast<char>(other.id[0] + 1);
      return {reply(other, {address_record(kA, "192.0.2.66")}),
              reply(asked, {address_record(kA, "192.0.2.4")})};
    }
    if (label == "second" && v4) {
      if (seconds_asked_++ == 0) return {};
      return {reply(asked, {address_record(kA, "192.0.2.4")})};
    }
    if (label == "long" && v4) {
      if (!asked.tcp) return {reply(asked, {}, kTruncated)};
      std::vector<Bytes> records;
      for (int i = 1; i <= 100; ++i) {
        records.push_back(address_record(kA, "198.51.100." + std::to_string(i)));
      }
      return {reply(asked, records)};
    }
    if (label[0] == 'n' && v4 && label.size() > 1 && label[1] >= '0' && label[1] <= '9') {
      const int which = std::stoi(label.substr(1));
      return {reply(asked, {address_record(kA, "198.18." + std::to_string(which / 256) + "." +
                                                   std::to_string(which % 256))})};
    }
    return {reply(asked, {})};  // no data
  }

  void serve() {
    std::vector<int> connections;
    for (;;) {
      std::vector<pollfd> polled = {{stop_, POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
      for (const int fd : connections) polled.push_back({fd, POLLIN, 0});
      ::poll(polled.data(), polled.size(), -1);
      if (polled[0].revents != 0) break;
      if (polled[1].revents != 0) serve_datagram();
      if (polled[2].revents != 0) {
        connections.push_back(::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC));
      }
      for (std::size_t i = 3; i < polled.size(); ++i) {
        if (polled[i].revents == 0 || serve_stream(polled[i].fd)) continue;
        ::close(polled[i].fd);
        std::erase(connections, polled[i].fd);
      }
    }
    for (const int fd : connections) ::close(fd);
  }

  void serve_datagram() {
    Bytes wire(4096, '\0');
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t count = ::recvfrom(udp_, wire.data(), wire.size(), 0, address, &size);
    if (count <= 0) return;
    wire.resize(static_cast<std::size_t>(count));
    ++questions_;
    for (const Bytes& packet : answer(parse(wire, false))) {
      ::sendto(udp_, packet.data(), packet.size(), 0, address, size);
    }
  }

  // In pieces, as TCP may deliver it. False: the other side has gone.
  bool serve_stream(int fd) {
    unsigned char size[2];
    if (::recv(fd, size, 2, MSG_WAITALL) != 2) return false;
    Bytes wire(static_cast<std::size_t>(size[0] * 256 + size[1]), '\0');
    if (::recv(fd, wire.data(), wire.size(), MSG_WAITALL) != static_cast<ssize_t>(wire.size())) {
      return false;
    }
    ++questions_;
    ++by_tcp_;
    for (const Bytes& packet : answer(parse(wire, true))) {
      const Bytes framed = number(static_cast<int>(packet.size())) + packet;
      const std::size_t half = framed.size() / 2;
      if (::send(fd, framed.data(), half, MSG_NOSIGNAL) < 0) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (::send(fd, framed.data() + half, framed.size() - half, MSG_NOSIGNAL) < 0) return false;
    }
    return true;
  }

  int udp_ = -1, tcp_ = -1, stop_ = -1;
  weft::SocketAddress at_;
  std::atomic<int> questions_{0};
  std::atomic<int> by_tcp_{0};
  int seconds_asked_ = 0;  // by the thread
  std::thread thread_;
};

}  // namespace support
