#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "hook/parity/calls.h"
#include "hook/parity/log.h"

namespace hook_parity {

void change_flags(World& world) {
  const End& end = world.any_end();
  int on = world.random.below(2);
  std::string text;
  switch (world.random.below(4)) {
    case 0:
      text = "ioctl " + outcome([&] { return ::ioctl(end.fd, FIONBIO, &on); });
      break;
    case 1:
      text = "setfl " + outcome([&] { return ::fcntl(end.fd, F_SETFL, on != 0 ? O_NONBLOCK : 0); });
      break;
    case 2:
      text = "setfd " + outcome([&] { return ::fcntl(end.fd, F_SETFD, on); });
      break;
    default:
      text = "ioctl null " + outcome([&] { return ::ioctl(end.fd, FIONBIO, nullptr); });
  }
  const int clear = 0;  // or most of the rest would not wait
  text += ", flags " + outcome([&] { return ::fcntl(end.fd, F_GETFL); });
  if (!world.random.one_in(3)) ::ioctl(end.fd, FIONBIO, &clear);
  print("flags of " + world.name_of(end) + ": " + text);
}

void duplicate(World& world) {
  const End end = world.any_end();
  End& other = world.any_end();
  const int number = world.next_number();
  long result = -1;
  std::string text;
  switch (world.random.below(6)) {
    case 0:
      text = "dup2 " + outcome([&] { return ::dup2(end.fd, number); }, &result);
      break;
    case 1:
      text = "dup3 " + outcome([&] { return ::dup3(end.fd, number, O_CLOEXEC); }, &result);
      break;
    case 2:
      text = "dupfd " + outcome([&] { return ::fcntl(end.fd, F_DUPFD_CLOEXEC, number); }, &result);
      break;
    case 3:
      text = "dup2 of itself " + outcome([&] { return ::dup2(end.fd, end.fd); });
      break;
    case 4:
      text = "dup3 badly " + outcome([&] { return ::dup3(end.fd, end.fd, 0); }) +
             outcome([&] { return ::dup2(end.fd, -1); });
      break;
    default: {
      text = "dup2 over " + world.name_of(other) + " " +
             outcome([&] { return ::dup2(end.fd, other.fd); });
      if (end.kind != Kind::kGone && end.fd != other.fd) {
        const bool were_peers = world.peer_of(end) == &other;
        for (End& one : world.ends) {
          if (world.peer_of(one) == &other) one.peer = -1;
        }
        const int fd = other.fd;
        other = end;
        other.fd = fd;
        if (were_peers) other.peer = -1;
      }
    }
  }
  if (result >= 0) {
    End copy = end;
    copy.fd = static_cast<int>(result);
    world.ends.push_back(copy);
  }
  print("duplicate " + hook_parity::name_of(end.kind) + ": " + text);
}

void close_something(World& world) {
  End& end = world.any_end();
  std::string text = "close of " + world.name_of(end);
  if (world.random.one_in(3)) {
    text += " by range " + outcome([&] {
              return ::close_range(static_cast<unsigned>(end.fd), static_cast<unsigned>(end.fd), 0);
            });
  } else {
    text += ": " + outcome([&] { return ::close(end.fd); });
  }
  if (end.kind == Kind::kTcp || end.kind == Kind::kUdp) world.settle(end, 0, 0);
  end.kind = Kind::kGone;
  if (world.random.one_in(2)) text += ", again " + outcome([&] { return ::close(end.fd); });
  print(text);
  world.add_pair(static_cast<Kind>(world.random.below(kPairKinds)));
}

void shut_down(World& world) {
  const End& end = world.any_end();
  // Whether a peer of datagrams can still send is not to be seen.
  const bool datagrams = end.kind == Kind::kDatagram || end.kind == Kind::kUdp;
  const int how = datagrams ? SHUT_RD : world.random.below(4);
  print("shutdown " + std::to_string(how) + " of " + world.name_of(end) + ": " +
        outcome([&] { return ::shutdown(end.fd, how); }));
  if (end.kind == Kind::kTcp) world.settle(end, 0, 0);
}

void sleep_a_little(World& world) {
  static constexpr std::array<timespec, 6> kSpans{
      {{0, 0}, {0, 1}, {0, 800'000}, {0, -1}, {-1, 0}, {0, 1'000'000'000}}};
  const timespec span = kSpans[static_cast<std::size_t>(world.random.below(kSpans.size()))];
  const std::string name = std::to_string(span.tv_sec) + "," + std::to_string(span.tv_nsec);
  static constexpr std::array<clockid_t, 7> kClocks{CLOCK_REALTIME,
                                                    CLOCK_MONOTONIC,
                                                    CLOCK_BOOTTIME,
                                                    CLOCK_TAI,
                                                    CLOCK_PROCESS_CPUTIME_ID,
                                                    CLOCK_THREAD_CPUTIME_ID,
                                                    77};
  const clockid_t clock = kClocks[static_cast<std::size_t>(world.random.below(kClocks.size()))];
  timespec left{5, 5};
  std::string came;
  switch (world.random.below(6)) {
    case 0:
      came = "nanosleep " + outcome([&] { return ::nanosleep(&span, &left); });
      break;
    case 1:
      came = "nanosleep null " + outcome([&] { return ::nanosleep(nullptr, &left); });
      break;
    case 2:
      came = "usleep " + outcome([&] { return ::usleep(300); });
      break;
    case 3:
      came = "absolute " + std::to_string(clock) + " " +
             outcome([&] { return ::clock_nanosleep(clock, TIMER_ABSTIME, &span, &left); });
      break;
    case 4:
      came = "sleep " + outcome([&] { return ::sleep(0); });
      break;
    default:
      // The process uses no time of its own while it sleeps.
      if (clock == CLOCK_PROCESS_CPUTIME_ID && (span.tv_nsec == 1 || span.tv_nsec == 800'000))
        return print("no sleep for ever");
      came = "clock " + std::to_string(clock) + " " +
             outcome([&] { return ::clock_nanosleep(clock, 0, &span, &left); });
  }
  print("sleep " + name + ": " + came + ", left " + std::to_string(left.tv_sec) + "," +
        std::to_string(left.tv_nsec));
}

namespace {

std::string text_of(const addrinfo* answer) {
  std::string text;
  for (; answer != nullptr; answer = answer->ai_next) {
    text += " " + std::to_string(answer->ai_family) + "/" + std::to_string(answer->ai_socktype) +
            "/" + std::to_string(answer->ai_protocol) + "/" + std::to_string(answer->ai_addrlen) +
            (answer->ai_canonname != nullptr ? answer->ai_canonname : "");
  }
  return text;
}

std::string name_an_address(World& world) {
  sockaddr_in address{};
  address.sin_family = world.random.one_in(4) ? sa_family_t{99} : sa_family_t{AF_INET};
  address.sin_port = htons(80);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::array<char, 64> host{};
  std::array<char, 64> service{};
  const socklen_t room = world.random.one_in(4) ? 3 : host.size();
  const socklen_t size = world.random.one_in(6) ? 3 : sizeof(address);
  const int flags = NI_NUMERICSERV | (world.random.one_in(8) ? NI_NAMEREQD : NI_NUMERICHOST);
  const int result = ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host.data(), room,
                                   service.data(), service.size(), flags);
  return std::to_string(result) +
         (result == 0 ? std::string(" ") + host.data() + " " + service.data() : "");
}

}  // namespace

void ask_for_names(World& world) {
  static constexpr std::array<const char*, 7> kHosts{"127.0.0.1", "::1",   "1.2.3",     "localhost",
                                                     "",          nullptr, "not..valid"};
  static constexpr std::array<const char*, 5> kServices{"80", "70000", "nonsense", nullptr, ""};
  const char* const host = kHosts[static_cast<std::size_t>(world.random.below(kHosts.size()))];
  const char* const service =
      kServices[static_cast<std::size_t>(world.random.below(kServices.size()))];
  if (world.random.one_in(3)) return print("getnameinfo: " + name_an_address(world));
  addrinfo hints{};
  static constexpr std::array kFlags{0, AI_NUMERICHOST, AI_PASSIVE, AI_CANONNAME | AI_NUMERICHOST,
                                     0x4000'0000};
  hints.ai_flags = kFlags[static_cast<std::size_t>(world.random.below(kFlags.size()))];
  static constexpr std::array kFamilies{AF_UNSPEC, AF_INET, AF_INET6, 55};
  hints.ai_family = kFamilies[static_cast<std::size_t>(world.random.below(kFamilies.size()))];
  hints.ai_socktype = world.random.one_in(2) ? SOCK_STREAM : 0;
  addrinfo* answer = nullptr;
  const int result =
      ::getaddrinfo(host, service, world.random.one_in(4) ? nullptr : &hints, &answer);
  print(std::string("getaddrinfo ") + (host != nullptr ? host : "null") + " " +
        (service != nullptr ? service : "null") + " " + std::to_string(hints.ai_flags) + "/" +
        std::to_string(hints.ai_family) + ": " + std::to_string(result) + text_of(answer));
  if (result == 0) ::freeaddrinfo(answer);
}

void lock_a_file(World& world) {
  const End& end = world.any_end();
  // These may be the same files in all processes.
  if (end.kind == Kind::kNull || end.kind == Kind::kEventfd || end.kind == Kind::kTerminal) return;
  static constexpr std::array kCommands{F_SETLK, F_SETLKW, F_GETLK, 12345};
  const int command = kCommands[static_cast<std::size_t>(world.random.below(kCommands.size()))];
  struct flock lock {};
  lock.l_type = static_cast<short>(world.random.one_in(4) ? 55 : F_WRLCK);
  lock.l_whence = SEEK_SET;
  lock.l_len = 10;
  std::string came = outcome([&] { return ::fcntl(end.fd, command, &lock); });
  came += ", null " + outcome([&] { return ::fcntl(end.fd, command, nullptr); });
  print("lock " + std::to_string(command) + " of " + world.name_of(end) + ": " + came + ", sync " +
        outcome([&] { return ::fsync(end.fd); }) + " " +
        outcome([&] { return ::fdatasync(end.fd); }));
}

namespace {

// What the child finds, a byte each.
std::array<unsigned char, 6> in_child() {
  std::array<int, 2> fds;
  std::array<unsigned char, 6> found{};
  found[0] = ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) == 0 ? 1 : 0;
  found[1] = static_cast<unsigned char>(::write(fds[0], "hello", 5));
  std::array<char, 9> buffer;
  found[2] = static_cast<unsigned char>(::read(fds[1], buffer.data(), buffer.size()));
  pollfd item{fds[1], POLLIN, 0};
  found[3] = static_cast<unsigned char>(::poll(&item, 1, 2));
  ::usleep(500);
  const timeval limit{0, 2000};
  ::setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  found[4] = ::read(fds[1], buffer.data(), buffer.size()) == -1 && errno == EAGAIN ? 1 : 0;
  ::close(fds[0]);
  found[5] = static_cast<unsigned char>(::read(fds[1], buffer.data(), buffer.size()));
  return found;
}

}  // namespace

void fork_a_child(World&) {
  std::array<int, 2> fds;
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return print("no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    const auto found = in_child();
    ::_exit(::write(fds[1], found.data(), found.size()) > 0 ? 0 : 1);
  }
  ::close(fds[1]);
  std::array<unsigned char, 20> found{};
  long got = 0;
  const std::string came =
      outcome([&] { return ::read(fds[0], found.data(), found.size()); }, &got);
  const std::string end =
      outcome([&] { return ::read(fds[0], found.data() + std::max(got, 0L), 1); });
  int status = -1;
  ::waitpid(child, &status, 0);
  ::close(fds[0]);
  std::string text;
  for (long i = 0; i < got; ++i) text += " " + std::to_string(found[static_cast<std::size_t>(i)]);
  print("fork: " + came + text + ", " + end + ", " + std::to_string(status));
}

}  // namespace hook_parity
