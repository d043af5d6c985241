#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "hook/parity/calls.h"
#include "hook/parity/log.h"

namespace hook_parity {

namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address loopback() {
  Address address;
  sockaddr_in plain{};
  plain.sin_family = AF_INET;
  plain.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&address.storage, &plain, sizeof(plain));
  address.size = sizeof(plain);
  return address;
}

// The kernel chooses the name.
Address unnamed() {
  Address address;
  address.storage.ss_family = AF_UNIX;
  address.size = sizeof(sa_family_t);
  return address;
}

int open_socket(World& world, int domain) { return world.keep(::socket(domain, SOCK_STREAM, 0)); }

int listening(World& world, int domain, int backlog, Address& address) {
  const int fd = open_socket(world, domain);
  address = domain == AF_INET ? loopback() : unnamed();
  ::bind(fd, address.get(), address.size);
  address.size = sizeof(address.storage);
  ::getsockname(fd, address.get(), &address.size);
  if (backlog >= 0) ::listen(fd, backlog);
  return fd;
}

void limit(int fd, int option, long micros) {
  const timeval span{0, micros};
  ::setsockopt(fd, SOL_SOCKET, option, &span, sizeof(span));
}

std::string connecting(int fd, Address& address) {
  return outcome([&] { return ::connect(fd, address.get(), address.size); });
}

std::string error_of(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error_name(error);
}

int any_domain(World& world) { return world.random.one_in(2) ? AF_INET : AF_UNIX; }

// -- What may become of a connection.

std::string connect_and_again(World& world) {
  Address address;
  listening(world, any_domain(world), 3, address);
  const int fd = open_socket(world, address.storage.ss_family);
  const std::string first = connecting(fd, address);
  return "accepted: " + first + ", again " + connecting(fd, address);
}

std::string connect_refused(World& world) {
  Address address;
  const int listener = listening(world, any_domain(world), -1, address);
  const int fd = open_socket(world, address.storage.ss_family);
  if (world.random.one_in(2)) ::close(listener);
  return "refused: " + connecting(fd, address) + ", error " + error_of(fd);
}

std::string connect_without_waiting(World& world) {
  Address address;
  listening(world, any_domain(world), 3, address);
  const int fd = open_socket(world, address.storage.ss_family);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  std::string text = connecting(fd, address);
  pollfd item{fd, POLLOUT, 0};
  text += ", poll " + outcome([&] { return ::poll(&item, 1, 1000); });
  ::fcntl(fd, F_SETFL, 0);
  return "without waiting: " + text + ", error " + error_of(fd) + ", once more " +
         connecting(fd, address);
}

std::string connect_finishing(World& world) {
  Address address;
  listening(world, AF_INET, 3, address);
  const int fd = open_socket(world, AF_INET);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  connecting(fd, address);
  ::fcntl(fd, F_SETFL, 0);
  return "begun without waiting, then waited for: " + connecting(fd, address);
}

// The backlog of a Unix listener is full, and nobody accepts or somebody does.
std::string connect_to_full(World& world) {
  Address address;
  const int listener = listening(world, AF_UNIX, 0, address);
  int count = 0;
  std::string last = "0";
  for (; last == "0" && count < 10; ++count) {
    const int fd = open_socket(world, AF_UNIX);
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    last = connecting(fd, address);
  }
  const int fd = open_socket(world, AF_UNIX);
  Help help;
  if (world.random.one_in(2)) {
    limit(fd, SO_SNDTIMEO, 5000);
  } else {
    help.let(world, [listener] {
      pause(1500);
      return outcome([&] { return ::close(::accept(listener, nullptr, nullptr)); });
    });
  }
  const std::string came = connecting(fd, address);
  return "to a full backlog of " + std::to_string(count) + " " + last + ": " + came + help.finish();
}

std::string connect_to_full_tcp(World& world) {
  Address address;
  listening(world, AF_INET, 0, address);
  for (int i = 0; i < 3; ++i) {
    const int fd = open_socket(world, AF_INET);
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    connecting(fd, address);
  }
  const int fd = open_socket(world, AF_INET);
  limit(fd, SO_SNDTIMEO, 20'000);
  return "to a full backlog: " + connecting(fd, address);
}

std::string connect_badly(World& world) {
  Address address = world.random.one_in(2) ? loopback() : unnamed();
  const int fd = world.random.one_in(3) ? world.any_end().fd : open_socket(world, AF_INET);
  switch (world.random.below(5)) {
    case 0:
      address.size = 1;
      break;
    case 1:
      address.size = 100'000;
      break;
    case 2:
      return "to null: " + outcome([&] { return ::connect(fd, nullptr, 16); });
    case 3:
      address.storage.ss_family = 123;
      break;
    default:
      break;
  }
  if (address.storage.ss_family == AF_INET) address.storage.ss_family = AF_INET6;
  return "badly " + std::to_string(address.size) + ": " + connecting(fd, address);
}

std::string connect_to_nobody(World& world) {
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  std::strcpy(path.sun_path, "/tmp/hook_parity_is_not_there");
  const int fd = open_socket(world, AF_UNIX);
  return "to nobody: " +
         outcome([&] { return ::connect(fd, reinterpret_cast<sockaddr*>(&path), sizeof(path)); });
}

}  // namespace

void connect_somewhere(World& world) {
  static constexpr std::array kCases{
      &connect_and_again, &connect_refused,     &connect_without_waiting, &connect_finishing,
      &connect_to_full,   &connect_to_full_tcp, &connect_badly,           &connect_to_nobody};
  print("connect " + kCases[static_cast<std::size_t>(world.random.below(kCases.size()))](world));
}

namespace {

// What becomes of the connection whose number is `result`.
std::string taken(World& world, const std::string& text, long result) {
  if (result < 0) return text;
  const int fd = world.keep(static_cast<int>(result));
  const long flags = ::fcntl(fd, F_GETFL);
  const long descriptor = ::fcntl(fd, F_GETFD);
  return "a connection, flags " + std::to_string(flags) + " and " + std::to_string(descriptor);
}

std::string accept_from(World& world, int listener) {
  static constexpr std::array<int, 5> kFlags{0, SOCK_CLOEXEC, SOCK_NONBLOCK,
                                             SOCK_CLOEXEC | SOCK_NONBLOCK, 0x7000'0000};
  sockaddr_storage peer{};
  socklen_t size = world.random.one_in(5) ? 2 : sizeof(peer);
  if (world.random.one_in(8)) size = static_cast<socklen_t>(-5);
  const bool names = world.random.one_in(2);
  long result = -1;
  std::string text;
  if (world.random.one_in(3)) {
    text = outcome(
        [&] {
          return ::accept(listener, names ? reinterpret_cast<sockaddr*>(&peer) : nullptr, &size);
        },
        &result);
  } else {
    const int flags = kFlags[static_cast<std::size_t>(world.random.below(kFlags.size()))];
    text = outcome(
        [&] {
          return ::accept4(listener, names ? reinterpret_cast<sockaddr*>(&peer) : nullptr, &size,
                           flags);
        },
        &result);
    text += " with flags " + std::to_string(flags);
  }
  return taken(world, text, result) + ", name of " + std::to_string(size) + " family " +
         std::to_string(peer.ss_family);
}

}  // namespace

void accept_someone(World& world) {
  Address address;
  const int listener = listening(world, any_domain(world), 3, address);
  Help help;
  std::string text;
  switch (world.random.below(7)) {
    case 0:
      text = "that does not wait";
      ::fcntl(listener, F_SETFL, O_NONBLOCK);
      break;
    case 1:
      text = "within a time limit";
      limit(listener, SO_RCVTIMEO, 4000);
      break;
    case 2:
      text = "until it is shut down";
      help.let(world, [listener] {
        pause(1500);
        return outcome([&] { return ::shutdown(listener, SHUT_RDWR); });
      });
      // Of Unix listeners the next wait ends so, too.
      break;
    case 3:
      return print("accept of " + text + ": " + accept_from(world, open_socket(world, AF_INET)));
    case 4: {
      const End& end = world.any_end();
      return print("accept of " + world.name_of(end) + ": " + accept_from(world, end.fd));
    }
    default: {
      text = "until somebody comes";
      const int fd = open_socket(world, address.storage.ss_family);
      help.let(world, [fd, address]() mutable {
        pause(1500);
        return connecting(fd, address);
      });
    }
  }
  const std::string came = accept_from(world, listener);
  print("accept " + text + ": " + came + help.finish());
}

}  // namespace hook_parity
