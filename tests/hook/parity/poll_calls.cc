#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "hook/parity/calls.h"
#include "hook/parity/log.h"

namespace hook_parity {

namespace {

constexpr timespec kNow{0, 0};
constexpr timespec kSoon{0, 2'000'000};
constexpr timespec kLater{20, 0};
constexpr timespec kBad{0, 1'000'000'000};
constexpr timespec kNegative{-1, 0};

int millis_of(const timespec& span) {
  return static_cast<int>(span.tv_sec * 1000 + span.tv_nsec / 1'000'000);
}

// Somebody makes `end` readable, so that it may be waited for without a limit. Not where the call
// has something to tell `already`: on a busy machine it could be told of both.
Help made_readable(World& world, const End& end, bool already) {
  Help help;
  const End* const peer = world.peer_of(end);
  if (already || poll_now(end.fd, POLLIN) != 0 || peer == nullptr || peer->kind >= Kind::kFile ||
      !end.reads || !is_stream(end.kind)) {
    help.possible = false;
    return help;
  }
  help.text = " until the peer of " + world.name_of(end) + " has written";
  help.let(world, [fd = peer->fd] {
    pause(1500);
    return outcome([&] { return ::write(fd, "hello", 5); });
  });
  return help;
}

}  // namespace

void poll_some(World& world) {
  std::vector<pollfd> items;
  std::string text;
  static constexpr std::array<short, 8> kEvents{
      POLLIN, POLLIN, POLLOUT, POLLIN | POLLOUT, POLLPRI, POLLRDHUP | POLLIN, 0, POLLRDNORM};
  const int count = world.random.below(6);
  for (int i = 0; i < count; ++i) {
    const End& end = world.any_end();
    const short events = kEvents[static_cast<std::size_t>(world.random.below(kEvents.size()))];
    items.push_back({world.random.one_in(12) ? -1 : end.fd, events, 0x7f});
    text += " " + world.name_of(end) + "/" + std::to_string(events);
  }
  Help help;
  timespec limit = world.random.one_in(2) ? kNow : kSoon;
  if (world.random.one_in(3)) {
    const End& end = world.any_end();
    std::vector<pollfd> asked = items;
    help = made_readable(world, end,
                         ::syscall(SYS_ppoll, asked.data(), asked.size(), &kNow, nullptr, 0) != 0);
    if (help.possible) {
      items.push_back({end.fd, POLLIN, 0});
      limit = kLater;
    }
  }
  const auto size = static_cast<nfds_t>(items.size());
  std::string came;
  switch (world.random.below(8)) {
    case 0:
      text += " through ppoll";
      came = outcome([&] { return ::ppoll(items.data(), size, &limit, nullptr); });
      break;
    case 1:
      limit = world.random.one_in(2) ? kBad : kNegative;
      text += " through ppoll, badly";
      came = outcome([&] { return ::ppoll(items.data(), size, &limit, nullptr); });
      break;
    case 2:
      text += " in null";
      came =
          outcome([&] { return ::poll(nullptr, size, help.text.empty() ? millis_of(limit) : 1); });
      break;
    case 3:
      text += " of far too many";
      came = outcome([&] { return ::poll(items.data(), ~0U, 1); });
      break;
    case 4: {
      sigset_t mask;
      ::sigfillset(&mask);
      text += " through ppoll, masked";
      came = outcome([&] { return ::ppoll(items.data(), size, &limit, &mask); });
      break;
    }
    default:
      came = outcome([&] { return ::poll(items.data(), size, millis_of(limit)); });
  }
  for (const pollfd& item : items) came += " " + std::to_string(item.revents);
  print("poll" + text + " for " + std::to_string(millis_of(limit)) + help.text + ": " + came +
        help.finish());
}

namespace {

// At most that many of `set`, as text.
std::string text_of(const fd_set& set) {
  std::string text = " {";
  for (int fd = 0; fd < FD_SETSIZE; ++fd) {
    if (FD_ISSET(fd, &set)) text += " " + std::to_string(fd);
  }
  return text + "}";
}

struct Sets {
  Sets() {
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&exceptional);
  }
  fd_set readable;
  fd_set writable;
  fd_set exceptional;
};

// Whether select(2) would not wait for them.
bool tell_something(Sets& sets) {
  timespec now = kNow;
  return ::syscall(SYS_pselect6, FD_SETSIZE, &sets.readable, &sets.writable, &sets.exceptional,
                   &now, nullptr) != 0;
}

}  // namespace

void select_some(World& world) {
  Sets sets;
  const auto add = [](int fd, fd_set& set) {
    if (fd < FD_SETSIZE) FD_SET(fd, &set);
  };
  for (int i = world.random.below(5); i > 0; --i) {
    const End& end = world.any_end();
    if (end.kind == Kind::kGone && !world.random.one_in(8)) continue;
    add(end.fd, sets.readable);
    if (world.random.one_in(3)) add(end.fd, sets.writable);
    if (world.random.one_in(3)) add(end.fd, sets.exceptional);
  }
  Help help;
  timespec limit = world.random.one_in(2) ? kNow : kSoon;
  if (world.random.one_in(3)) {
    const End& end = world.any_end();
    Sets asked = sets;
    help = made_readable(world, end, tell_something(asked));
    if (help.possible && end.fd < FD_SETSIZE) {
      add(end.fd, sets.readable);
      limit = kLater;
    }
  }
  const std::string asked =
      text_of(sets.readable) + text_of(sets.writable) + text_of(sets.exceptional);
  const int count = world.random.one_in(10) ? -1 : FD_SETSIZE;
  fd_set* const writable = world.random.one_in(4) ? nullptr : &sets.writable;
  std::string call = "select";
  std::string came;
  if (world.random.one_in(10)) limit = world.random.one_in(2) ? kBad : kNegative;
  if (world.random.one_in(2)) {
    call = "pselect";
    came = outcome([&] {
      return ::pselect(count, &sets.readable, writable, &sets.exceptional, &limit, nullptr);
    });
  } else {
    // More than a second of them libc accepts.
    timeval time{limit.tv_sec, limit.tv_nsec == kBad.tv_nsec ? -1 : limit.tv_nsec / 1000};
    came = outcome(
        [&] { return ::select(count, &sets.readable, writable, &sets.exceptional, &time); });
    // What is left when something is ready depends on how busy the machine is.
    const bool is_less = time.tv_sec * 1'000'000 + time.tv_usec <= limit.tv_nsec / 1000;
    came += came == "0"                     ? ", left " + std::to_string(time.tv_usec)
            : limit.tv_sec == 0 && !is_less ? ", more left"
                                            : "";
  }
  print(call + std::to_string(count) + asked + " for " + std::to_string(limit.tv_nsec) + help.text +
        ": " + came + text_of(sets.readable) + text_of(sets.writable) + text_of(sets.exceptional) +
        help.finish());
}

namespace {

// Everything of the world, with what becomes of each.
std::string watch_some(World& world, int epoll) {
  static constexpr std::array<std::uint32_t, 5> kEvents{EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLET,
                                                        EPOLLIN | EPOLLONESHOT, EPOLLRDHUP};
  std::string text;
  for (int i = 1 + world.random.below(4); i > 0; --i) {
    const End& end = world.any_end();
    epoll_event event{};
    event.events = kEvents[static_cast<std::size_t>(world.random.below(kEvents.size()))];
    // When the peer's late answer to an end has arrived is news, too.
    if (end.kind == Kind::kTcp) event.events &= ~std::uint32_t{EPOLLET};
    event.data.u32 = static_cast<std::uint32_t>(end.fd);
    text += " " + world.name_of(end) + "/" + std::to_string(event.events) + " " +
            outcome([&] { return ::epoll_ctl(epoll, EPOLL_CTL_ADD, end.fd, &event); });
  }
  return text;
}

std::string ask(World& world, int fd, epoll_event* events, int most, const timespec& limit) {
  switch (world.random.below(4)) {
    case 0:
      return "pwait " +
             outcome([&] { return ::epoll_pwait(fd, events, most, millis_of(limit), nullptr); });
    case 1:
      return "pwait2 " + outcome([&] { return ::epoll_pwait2(fd, events, most, &limit, nullptr); });
    default:
      return outcome([&] { return ::epoll_wait(fd, events, most, millis_of(limit)); });
  }
}

}  // namespace

void wait_in_epoll(World& world) {
  const int epoll = world.keep(::epoll_create1(0));
  std::string text = watch_some(world, epoll);
  Help help;
  timespec limit = world.random.one_in(2) ? kNow : kSoon;
  if (world.random.one_in(2)) {
    const End& end = world.any_end();
    help = made_readable(world, end, poll_now(epoll, POLLIN) != 0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<std::uint32_t>(end.fd);
    if (help.possible && (::epoll_ctl(epoll, EPOLL_CTL_ADD, end.fd, &event) == 0 ||
                          ::epoll_ctl(epoll, EPOLL_CTL_MOD, end.fd, &event) == 0)) {
      limit = kLater;
    }
  }
  std::array<epoll_event, 8> events{};
  static constexpr std::array kMost{8, 8, 8, 1, 0, -1};
  const int most = kMost[static_cast<std::size_t>(world.random.below(kMost.size()))];
  const int kind = world.random.below(8);
  const int fd = kind == 0 ? world.any_end().fd : kind == 1 ? -1 : epoll;
  std::string came = ask(world, fd, kind == 2 ? nullptr : events.data(), most, limit);
  if (most == 8) {
    std::sort(events.begin(), events.end(),
              [](const auto& a, const auto& b) { return a.data.u32 < b.data.u32; });
    for (const epoll_event& event : events) {
      if (event.events != 0)
        came += " " + std::to_string(event.data.u32) + "/" + std::to_string(event.events);
    }
  }
  const std::string seen = help.finish();
  // Once more, for what is told only once.
  came += ", then " + outcome([&] { return ::epoll_wait(epoll, events.data(), 8, 1); });
  ::close(epoll);
  print("epoll_wait " + std::to_string(most) + text + " for " + std::to_string(millis_of(limit)) +
        help.text + ": " + came + seen);
}

}  // namespace hook_parity
