#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "hook/parity/calls.h"
#include "hook/parity/log.h"

namespace hook_parity {

namespace {

// How much such a call on `end` waits for. Who only looks at a Unix socket gets what is there.
int waited_for(const End& end, int size, int flags) {
  const bool looks = (flags & MSG_PEEK) != 0 && end.kind != Kind::kTcp;
  return (flags & MSG_WAITALL) != 0 && !looks ? size : std::min(size, 1);
}

using Bytes = std::vector<unsigned char>;

std::string text_of_first(const Bytes& bytes, long count) {
  const auto kept = std::min(bytes.size(), static_cast<std::size_t>(std::max(count, 0L)));
  return count > 0 ? ' ' + text_of(std::span(bytes).first(kept)) : "";
}

int any_size(World& world, Kind kind) {
  if (kind == Kind::kEventfd && !world.random.one_in(4)) return 8;
  static constexpr std::array kSizes{0, 1, 1, 3, 8, 8, 40, 40, 300, 3000, 70'000};
  return kSizes[static_cast<std::size_t>(world.random.below(kSizes.size()))];
}

// Of all together `bytes`, some of them empty.
std::vector<iovec> parts_of(World& world, Bytes& bytes) {
  std::vector<iovec> parts;
  std::size_t done = 0;
  for (int left = 1 + world.random.below(5); left > 0; --left) {
    const std::size_t size = left == 1 ? bytes.size() - done
                                       : static_cast<std::size_t>(world.random.below(
                                             static_cast<int>(bytes.size() - done) + 1));
    parts.push_back({bytes.data() + done, size});
    done += size;
  }
  return parts;
}

void say(World& world, const std::string& call, const End& end, Help& help,
         const std::string& came) {
  (void)world;
  const std::string head = call + " of " + world.name_of(end) + help.text;
  print(head + ": " + came + help.finish());
}

}  // namespace

void read_something(World& world) {
  const End& end = world.any_end();
  const int size = any_size(world, end.kind);
  Help help = help_reading(world, end, 1);
  if (!help.possible) return print("nobody writes to " + world.name_of(end));
  Bytes bytes(static_cast<std::size_t>(size));
  std::vector<iovec> parts = parts_of(world, bytes);
  const auto count = static_cast<int>(parts.size());
  long got = 0;
  std::string came;
  std::string call;
  switch (world.random.below(7)) {
    case 0:
      call = "readv of " + std::to_string(count) + " parts";
      came = outcome([&] { return ::readv(end.fd, parts.data(), count); }, &got);
      break;
    case 1:
      call = "preadv2 here of " + std::to_string(count) + " parts";
      came = outcome([&] { return ::preadv2(end.fd, parts.data(), count, -1, 0); }, &got);
      break;
    case 2: {
      parts.assign(IOV_MAX + 1, iovec{});
      call = "readv of too many parts";
      came = outcome([&] { return ::readv(end.fd, parts.data(), IOV_MAX + 1); }, &got);
      break;
    }
    case 3:
      call = "read into null";
      came = outcome([&] { return ::read(end.fd, nullptr, static_cast<std::size_t>(size)); }, &got);
      got = 0;
      break;
    default:
      call = "read";
      came = outcome([&] { return ::read(end.fd, bytes.data(), bytes.size()); }, &got);
  }
  say(world, call + " " + std::to_string(size), end, help, came + text_of_first(bytes, got));
}

void receive_something(World& world) {
  const End& end = world.any_end();
  const int size = any_size(world, end.kind);
  int flags = 0;
  std::string text;
  const auto maybe = [&](int flag, const char* name, int chances) {
    if (!world.random.one_in(chances)) return;
    flags |= flag;
    text += name;
  };
  maybe(MSG_DONTWAIT, " DONTWAIT", 3);
  maybe(MSG_PEEK, " PEEK", 4);
  maybe(MSG_WAITALL, " WAITALL", 3);
  maybe(MSG_TRUNC, " TRUNC", 8);
  maybe(MSG_OOB, " OOB", 20);
  maybe(MSG_ERRQUEUE, " ERRQUEUE", 20);
  Help help;
  // Some sockets have no such data, and take no notice of being asked for it.
  const bool queued = (flags & MSG_ERRQUEUE) != 0 && end.kind > Kind::kSeqpacket;
  const bool urgent = (flags & MSG_OOB) != 0 && end.kind != Kind::kUdp;
  if ((flags & MSG_DONTWAIT) == 0 && !queued && !urgent) {
    help = help_reading(world, end, waited_for(end, size, flags));
  }
  if (!help.possible) return print("nobody sends to " + world.name_of(end));
  Bytes bytes(static_cast<std::size_t>(size));
  long got = 0;
  std::string call = "recv";
  std::string came;
  if (world.random.one_in(2)) {
    came = outcome([&] { return ::recv(end.fd, bytes.data(), bytes.size(), flags); }, &got);
  } else {
    call = "recvfrom";
    sockaddr_storage peer{};
    socklen_t room = world.random.one_in(4) ? 3 : sizeof(peer);
    came = outcome(
        [&] {
          return ::recvfrom(end.fd, bytes.data(), bytes.size(), flags,
                            reinterpret_cast<sockaddr*>(&peer), &room);
        },
        &got);
    came += " from " + std::to_string(room) + '/' + std::to_string(peer.ss_family);
  }
  if ((flags & MSG_TRUNC) != 0 && is_stream(end.kind)) bytes.clear();
  say(world, call + " " + std::to_string(size) + text, end, help, came + text_of_first(bytes, got));
}

namespace {

void receive_one_message(World& world, const End& end, int size, int flags,
                         const std::string& text) {
  Help help;
  if ((flags & MSG_DONTWAIT) == 0) help = help_reading(world, end, waited_for(end, size, flags));
  if (!help.possible) return print("nobody sends to " + world.name_of(end));
  Bytes bytes(static_cast<std::size_t>(size));
  std::vector<iovec> parts = parts_of(world, bytes);
  if (world.random.one_in(12)) parts.assign(IOV_MAX + 1, iovec{});
  sockaddr_storage peer{};
  std::array<char, 64> control;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (world.random.one_in(2)) {
    message.msg_name = &peer;
    message.msg_namelen = sizeof(peer);
  }
  if (world.random.one_in(2)) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  long got = 0;
  std::string came = outcome([&] { return ::recvmsg(end.fd, &message, flags); }, &got);
  came += " flags " + std::to_string(message.msg_flags) + " name " +
          std::to_string(message.msg_namelen) + " control " +
          std::to_string(message.msg_controllen);
  say(world, "recvmsg " + std::to_string(size) + " in " + std::to_string(parts.size()) + text, end,
      help, came + text_of_first(bytes, got));
}

void receive_many(World& world, const End& end, int flags, const std::string& text) {
  const unsigned count = static_cast<unsigned>(world.random.below(4));
  Help help;
  // Of several that are waited for, who knows how many come?
  if ((flags & MSG_DONTWAIT) == 0) flags |= count > 1 ? MSG_WAITFORONE : 0;
  if ((flags & MSG_DONTWAIT) == 0 && count > 0) help = help_reading(world, end, 1);
  if (!help.possible) return print("nobody sends to " + world.name_of(end));
  std::array<Bytes, 4> bytes;
  std::array<iovec, 4> parts;
  std::array<mmsghdr, 4> messages{};
  for (unsigned i = 0; i < count; ++i) {
    bytes[i].resize(20);
    parts[i] = {bytes[i].data(), bytes[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  timespec limit{20, world.random.one_in(6) ? 2'000'000'000L : 0};
  long got = 0;
  std::string came = outcome(
      [&] {
        return ::recvmmsg(end.fd, messages.data(), count, flags,
                          world.random.one_in(2) ? &limit : nullptr);
      },
      &got);
  for (long i = 0; i < got; ++i) {
    const auto index = static_cast<std::size_t>(i);
    came += " " + std::to_string(messages[index].msg_len) +
            text_of_first(bytes[index], messages[index].msg_len);
  }
  say(world, "recvmmsg " + std::to_string(count) + text, end, help, came);
}

}  // namespace

void receive_messages(World& world) {
  const End& end = world.any_end();
  int flags = 0;
  std::string text;
  const auto maybe = [&](int flag, const char* name, int chances) {
    if (!world.random.one_in(chances)) return;
    flags |= flag;
    text += name;
  };
  maybe(MSG_DONTWAIT, " DONTWAIT", 3);
  maybe(MSG_PEEK, " PEEK", 5);
  if (world.random.one_in(3)) return receive_many(world, end, flags & ~MSG_PEEK, text);
  maybe(MSG_WAITALL, " WAITALL", 3);
  maybe(MSG_TRUNC, " TRUNC", 8);
  receive_one_message(world, end, any_size(world, end.kind), flags, text);
}

}  // namespace hook_parity
