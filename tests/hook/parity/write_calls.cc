#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "hook/parity/calls.h"
#include "hook/parity/log.h"

namespace hook_parity {

namespace {

using Bytes = std::vector<unsigned char>;

Bytes something_for(World& world, const End& end) {
  if (end.kind == Kind::kEventfd && !world.random.one_in(5)) {
    return {static_cast<unsigned char>(world.random.below(100)), 0, 0, 0, 0, 0, 0, 0};
  }
  if (end.kind == Kind::kEventfd) return world.bytes(3);
  static constexpr std::array<std::size_t, 11> kSizes{0,  1,   1,    3,    8,      8,
                                                      40, 300, 1500, 1500, 300'000};
  std::size_t size = kSizes[static_cast<std::size_t>(world.random.below(kSizes.size()))];
  // How much of more than that is taken is not known of a terminal, or of TCP unless it blocks.
  if (end.kind == Kind::kTerminal) size = std::min<std::size_t>(size, 40);
  if (end.kind == Kind::kTcp && !is_blocking(end.fd)) size = std::min<std::size_t>(size, 1500);
  return world.bytes(size);
}

bool has_room(World& world, const End& end) {
  const End* const peer = world.peer_of(end);
  return end.kind != Kind::kTerminal || peer == nullptr || pending(peer->fd) < 1000;
}

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

// What is before a call and after it.
class Sending {
 public:
  Sending(World& world, const End& end, std::size_t size, bool may_block)
      : world_(world),
        end_(end),
        before_(world.peer_of(end) != nullptr ? pending(world.peer_of(end)->fd) : 0) {
    if (may_block) help_ = help_writing(world, end, size);
  }
  bool possible() const { return help_.possible; }
  void say(const std::string& call, const std::string& came, long sent) {
    const std::string seen = help_.finish();
    world_.settle(end_, seen.empty() ? before_ : 0, seen.empty() ? sent : 0);
    print(call + " to " + world_.name_of(end_) + help_.text + ": " + came + seen);
  }

 private:
  World& world_;
  const End& end_;
  const int before_;
  Help help_;
};

}  // namespace

void write_something(World& world) {
  const End& end = world.any_end();
  if (!has_room(world, end)) return print("no room in " + world.name_of(end));
  Bytes bytes = something_for(world, end);
  std::vector<iovec> parts = parts_of(world, bytes);
  const auto count = static_cast<int>(parts.size());
  Sending sending(world, end, bytes.size(), true);
  if (!sending.possible()) return print("nobody reads from " + world.name_of(end));
  long sent = 0;
  std::string came;
  std::string call;
  switch (world.random.below(8)) {
    case 0:
      call = "writev of " + std::to_string(count) + " parts";
      came = outcome([&] { return ::writev(end.fd, parts.data(), count); }, &sent);
      break;
    case 1:
      call = "pwritev2 here of " + std::to_string(count) + " parts";
      came = outcome([&] { return ::pwritev2(end.fd, parts.data(), count, -1, 0); }, &sent);
      break;
    case 2:
      parts.assign(IOV_MAX + 1, iovec{});
      call = "writev of too many parts";
      came = outcome([&] { return ::writev(end.fd, parts.data(), IOV_MAX + 1); }, &sent);
      break;
    case 3:
      if (end.kind == Kind::kTerminal || bytes.size() > 2048) return print("no write of null");
      call = "write of null";
      came = outcome([&] { return ::write(end.fd, nullptr, bytes.size()); }, &sent);
      break;
    default:
      call = "write";
      came = outcome([&] { return ::write(end.fd, bytes.data(), bytes.size()); }, &sent);
  }
  sending.say(call + " " + std::to_string(bytes.size()), came, sent);
}

namespace {

// One of send, sendto and sendmsg.
std::string send_by(World& world, const End& end, Bytes& bytes, int flags, std::string& call,
                    long& sent) {
  std::vector<iovec> parts = parts_of(world, bytes);
  sockaddr_storage unspecified{};
  const bool names = world.random.one_in(6);
  switch (world.random.below(3)) {
    case 0:
      call = "send";
      return outcome([&] { return ::send(end.fd, bytes.data(), bytes.size(), flags); }, &sent);
    case 1:
      call = names ? "sendto somewhere" : "sendto";
      return outcome(
          [&] {
            return ::sendto(end.fd, bytes.data(), bytes.size(), flags,
                            names ? reinterpret_cast<sockaddr*>(&unspecified) : nullptr,
                            names ? sizeof(sockaddr_storage) : 0);
          },
          &sent);
    default: {
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = parts.size();
      if (world.random.one_in(12)) message.msg_iovlen = IOV_MAX + 1;
      call = "sendmsg of " + std::to_string(message.msg_iovlen) + " parts";
      parts.resize(message.msg_iovlen);
      message.msg_iov = parts.data();
      return outcome([&] { return ::sendmsg(end.fd, &message, flags); }, &sent);
    }
  }
}

}  // namespace

void send_something(World& world) {
  const End& end = world.any_end();
  Bytes bytes = something_for(world, end);
  int flags = MSG_NOSIGNAL;
  std::string text;
  if (world.random.one_in(3)) {
    flags |= MSG_DONTWAIT;
    text = " DONTWAIT";
    if (end.kind == Kind::kTcp && bytes.size() > 1500) bytes.resize(1500);
  }
  Sending sending(world, end, bytes.size(), (flags & MSG_DONTWAIT) == 0);
  if (!sending.possible()) return print("nobody receives from " + world.name_of(end));
  long sent = 0;
  std::string call;
  const std::string came = send_by(world, end, bytes, flags, call, sent);
  sending.say(call + " " + std::to_string(bytes.size()) + text, came, sent);
}

void send_messages(World& world) {
  const End& end = world.any_end();
  if (end.kind == Kind::kDatagram && is_blocking(end.fd))
    return print("may be too many for " + world.name_of(end));
  const auto count = static_cast<unsigned>(world.random.below(4));
  std::array<Bytes, 4> bytes;
  std::array<iovec, 4> parts;
  std::array<mmsghdr, 4> messages{};
  for (unsigned i = 0; i < count; ++i) {
    bytes[i] = world.bytes(static_cast<std::size_t>(world.random.below(60)));
    parts[i] = {bytes[i].data(), bytes[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  if (count > 2 && world.random.one_in(3)) messages[2].msg_hdr.msg_iov = nullptr;
  Sending sending(world, end, 240, true);
  if (!sending.possible()) return print("nobody receives from " + world.name_of(end));
  long sent = 0;
  std::string came =
      outcome([&] { return ::sendmmsg(end.fd, messages.data(), count, MSG_NOSIGNAL); }, &sent);
  long total = 0;
  for (long i = 0; i < sent; ++i) total += messages[static_cast<std::size_t>(i)].msg_len;
  sending.say("sendmmsg " + std::to_string(count), came + " with " + std::to_string(total), total);
}

// Until there is no more room, where it is known when that is.
void fill_up(World& world) {
  const End& end = world.any_end();
  if (end.kind > Kind::kSeqpacket && end.kind != Kind::kPipe)
    return print("no filling of " + world.name_of(end));
  const Bytes bytes = world.bytes(1000);
  const long before = ::fcntl(end.fd, F_GETFL);
  ::fcntl(end.fd, F_SETFL, before | O_NONBLOCK);
  int count = 0;
  std::string came;
  for (long sent = 1; sent > 0 && count < 5000; ++count) {
    came = outcome([&] { return ::write(end.fd, bytes.data(), bytes.size()); }, &sent);
  }
  ::fcntl(end.fd, F_SETFL, before);
  print("filled " + world.name_of(end) + " by " + std::to_string(count) + " writes: " + came);
}

void transfer_at_offset(World& world) {
  const End& end = world.any_end();
  Bytes bytes = world.bytes(static_cast<std::size_t>(world.random.below(5000)));
  std::vector<iovec> parts = parts_of(world, bytes);
  const auto count = static_cast<int>(parts.size());
  static constexpr std::array<off_t, 5> kOffsets{0, 3, 4000, -1, -2};
  const off_t at = kOffsets[static_cast<std::size_t>(world.random.below(kOffsets.size()))];
  const int flags = world.random.one_in(4) ? RWF_DSYNC : world.random.one_in(8) ? 0x4000'0000 : 0;
  // At -1 the last of each is for the file's own position, and may block.
  const bool here =
      at == -1 && end.kind != Kind::kFile && end.kind != Kind::kNull && end.kind != Kind::kGone;
  long done = 0;
  std::string came;
  std::string call;
  switch (world.random.below(here ? 4 : 6)) {
    case 0:
      call = "pread";
      came = outcome([&] { return ::pread(end.fd, bytes.data(), bytes.size(), at); }, &done);
      break;
    case 1:
      call = "pwrite";
      came = outcome([&] { return ::pwrite(end.fd, bytes.data(), bytes.size(), at); });
      break;
    case 2:
      call = "preadv";
      came = outcome([&] { return ::preadv(end.fd, parts.data(), count, at); }, &done);
      break;
    case 3:
      call = "pwritev";
      came = outcome([&] { return ::pwritev(end.fd, parts.data(), count, at); });
      break;
    case 4:
      call = "preadv2 flags " + std::to_string(flags);
      came = outcome([&] { return ::preadv2(end.fd, parts.data(), count, at, flags); }, &done);
      break;
    default:
      call = "pwritev2 flags " + std::to_string(flags);
      came = outcome([&] { return ::pwritev2(end.fd, parts.data(), count, at, flags); });
  }
  if (done > 0) came += ' ' + text_of(std::span(bytes).first(static_cast<std::size_t>(done)));
  print(call + " " + std::to_string(bytes.size()) + " at " + std::to_string(at) + " of " +
        world.name_of(end) + ": " + came + ", position " +
        std::to_string(::lseek(end.fd, 0, SEEK_CUR)));
}

void copy_file(World& world) {
  const End& from = world.any_end();
  const End& to = world.any_end();
  const auto size = static_cast<std::size_t>(world.random.below(3000));
  off_t offset = world.random.below(10);
  const bool at_offset = world.random.one_in(2);
  const std::string names = " from " + world.name_of(from) + " to " + world.name_of(to);
  // From what is no file it may wait for more.
  if (from.kind != Kind::kFile && from.kind != Kind::kGone) return print("no file to send" + names);
  Sending sending(world, to, size, true);
  if (!sending.possible() || to.kind == Kind::kTerminal || to.kind == Kind::kEventfd ||
      to.kind == Kind::kDatagram) {
    return print("no sending" + names);
  }
  long sent = 0;
  const std::string came = outcome(
      [&] { return ::sendfile(to.fd, from.fd, at_offset ? &offset : nullptr, size); }, &sent);
  sending.say("sendfile " + std::to_string(size) + names,
              came + ", at " + std::to_string(offset) + " and " +
                  std::to_string(::lseek(from.fd, 0, SEEK_CUR)),
              sent);
}

}  // namespace hook_parity
