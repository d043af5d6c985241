#include "hook/parity/world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "hook/parity/log.h"

namespace hook_parity {

bool is_socket(Kind kind) { return kind <= Kind::kUdp; }
bool is_stream(Kind kind) {
  return kind == Kind::kStream || kind == Kind::kTcp || kind == Kind::kPipe ||
         kind == Kind::kTerminal;
}

std::string name_of(Kind kind) {
  static constexpr const char* kNames[] = {"stream", "datagram", "seqpacket", "tcp",
                                           "udp",    "pipe",     "eventfd",   "file",
                                           "null",   "terminal", "gone"};
  return kNames[static_cast<int>(kind)];
}

short poll_now(int fd, short events, int millis) {
  pollfd item{fd, events, 0};
  const timespec limit{0, millis * 1'000'000L};
  ::syscall(SYS_ppoll, &item, 1, &limit, nullptr, 0);
  return item.revents;
}

bool is_blocking(int fd) {
  const long flags = ::syscall(SYS_fcntl, fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

int pending(int fd) {
  int bytes = 0;
  return ::syscall(SYS_ioctl, fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

void pause(long micros) { ::usleep(static_cast<useconds_t>(micros)); }

namespace {

void check(bool good) {
  if (!good) std::abort();
}

sockaddr_in loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int bound(int type, sockaddr_in& address) {
  const int fd = ::socket(AF_INET, type, 0);
  address = loopback();
  socklen_t size = sizeof(address);
  check(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  check(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return fd;
}

std::array<int, 2> make_tcp() {
  sockaddr_in address;
  const int listener = bound(SOCK_STREAM, address);
  check(::listen(listener, 4) == 0);
  const int client = ::socket(AF_INET, SOCK_STREAM, 0);
  check(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  const int server = ::accept(listener, nullptr, nullptr);
  ::close(listener);
  // What is written is there to be read, and not when the peer gets round to acknowledging more.
  const int on = 1;
  for (const int fd : {client, server}) {
    check(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
  }
  return {client, server};
}

std::array<int, 2> make_udp() {
  sockaddr_in one;
  sockaddr_in other;
  const int first = bound(SOCK_DGRAM, one);
  const int second = bound(SOCK_DGRAM, other);
  check(::connect(first, reinterpret_cast<sockaddr*>(&other), sizeof(other)) == 0);
  check(::connect(second, reinterpret_cast<sockaddr*>(&one), sizeof(one)) == 0);
  return {first, second};
}

std::array<int, 2> make_terminal() {
  std::array<int, 2> fds;
  check(::openpty(&fds[0], &fds[1], nullptr, nullptr, nullptr) == 0);
  termios settings;
  check(::tcgetattr(fds[1], &settings) == 0);
  ::cfmakeraw(&settings);
  check(::tcsetattr(fds[1], TCSANOW, &settings) == 0);
  return fds;
}

int make_file() {
  const int fd = ::open("/tmp", O_TMPFILE | O_RDWR, 0600);
  check(fd >= 0);
  return fd;
}

std::array<int, 2> make(Kind kind) {
  std::array<int, 2> fds{-1, -1};
  switch (kind) {
    case Kind::kStream:
      check(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) == 0);
      return fds;
    case Kind::kDatagram:
      check(::socketpair(AF_UNIX, SOCK_DGRAM, 0, fds.data()) == 0);
      return fds;
    case Kind::kSeqpacket:
      check(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds.data()) == 0);
      return fds;
    case Kind::kTcp:
      return make_tcp();
    case Kind::kUdp:
      return make_udp();
    case Kind::kPipe:
      check(::pipe(fds.data()) == 0);
      return fds;
    case Kind::kEventfd:
      return {::eventfd(0, 0), -1};
    case Kind::kFile:
      return {make_file(), -1};
    case Kind::kNull:
      return {::open("/dev/null", O_RDWR), -1};
    case Kind::kTerminal:
      return make_terminal();
    case Kind::kGone:
      break;
  }
  return fds;
}

}  // namespace

int World::keep(int fd) {
  check(fd >= 0);
  const int number = next_number();
  check(::dup2(fd, number) == number);
  ::close(fd);
  return number;
}

void World::add_pair(Kind kind) {
  const auto [first, second] = make(kind);
  const int index = static_cast<int>(ends.size());
  const bool pipe = kind == Kind::kPipe;
  ends.push_back({keep(first), kind, second >= 0 ? index + 1 : index, true, !pipe});
  if (second >= 0) ends.push_back({keep(second), kind, index, !pipe, true});
}

World::~World() {
  for (int fd = 100; fd < next_number_; ++fd) ::close(fd);
}

End& World::any_end() {
  return ends[static_cast<std::size_t>(random.below(static_cast<int>(ends.size())))];
}

End* World::any_socket() {
  for (int i = 0; i < 8; ++i) {
    End& end = any_end();
    if (is_socket(end.kind)) return &end;
  }
  return nullptr;
}

std::string World::name_of(const End& end) const {
  return hook_parity::name_of(end.kind) + " " + std::to_string(&end - ends.data());
}

std::vector<unsigned char> World::bytes(std::size_t count) {
  std::vector<unsigned char> all(count);
  for (unsigned char& byte : all) byte = next_byte_++;
  return all;
}

void World::settle(const End& end, int bytes_before, long sent) {
  const End* const peer = peer_of(end);
  if (peer == nullptr ||
      (end.kind != Kind::kTcp && end.kind != Kind::kUdp && end.kind != Kind::kTerminal))
    return;
  if (sent <= 0) {
    poll_now(peer->fd, POLLIN | POLLRDHUP, 20);
    return;
  }
  if (end.kind == Kind::kUdp) {  // whose first message alone is counted
    poll_now(peer->fd, POLLIN, 20);
    return;
  }
  for (int i = 0; i < 100 && pending(peer->fd) < bytes_before + sent; ++i) {
    const timespec moment{0, 200'000};
    ::syscall(SYS_nanosleep, &moment, nullptr);
  }
}

}  // namespace hook_parity
