// recv(2), send(2) and their like. Each is libc's call in a plain thread, and where it would not
// block anyway.

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "hook/libc.h"
#include "hook/time_spans.h"
#include "hook/transfer.h"
#include "time/clock.h"

namespace weft::hook {

namespace {

WEFT_LIBC(recvfrom);
WEFT_LIBC(recvmsg);
WEFT_LIBC(recvmmsg);
WEFT_LIBC(sendto);
WEFT_LIBC(sendmsg);
WEFT_LIBC(sendmmsg);
WEFT_LIBC(setsockopt);

bool is_stream(int fd) noexcept { return option_of(fd, SO_TYPE) == SOCK_STREAM; }

// Urgent data and errors that are queued are there or not: nobody waits for them. Sockets that have
// no such queue take no notice of the flag, and wait for what they have.
bool may_receive_later(int fd, int flags) noexcept {
  if ((flags & MSG_DONTWAIT) != 0 || !in_fiber()) return false;
  if ((flags & (MSG_OOB | MSG_ERRQUEUE)) == 0) [[likely]]
    return true;
  if ((flags & MSG_ERRQUEUE) != 0 && !is_unix(fd)) return false;
  return (flags & MSG_OOB) == 0 || !is_stream(fd);
}
bool may_send_later(int flags) noexcept { return (flags & MSG_DONTWAIT) == 0 && in_fiber(); }

// Of datagrams MSG_WAITALL takes one like any other; and who only looks at a Unix socket sees what
// is there.
bool waits_for_all(int fd, int flags) noexcept {
  return (flags & MSG_WAITALL) != 0 && is_stream(fd) && ((flags & MSG_PEEK) == 0 || !is_unix(fd));
}

// How much a call is to wait for: all it asks for, or the socket's own least.
std::size_t least_of(int fd, int flags, std::size_t size) noexcept {
  if (waits_for_all(fd, flags)) return size;
  return (flags & MSG_PEEK) != 0 && is_unix(fd) ? 1 : low_mark_of(fd, size);
}

int at_once(int flags) noexcept { return (flags & ~MSG_WAITALL) | MSG_DONTWAIT; }

// Looks at what is there until that is `least` bytes. For more than there is no kernel lets anybody
// wait, so it looks now and then.
template <class Peek>
ssize_t peek_at(int fd, std::size_t least, Peek peek) noexcept {
  constexpr Nanos kPause = 1'000'000;
  const ErrnoScope scope;
  TimeLimit limit = receive_limit(fd);
  const Nanos deadline = limit.deadline();
  for (;;) {
    const ssize_t count = until_done(fd, POLLIN, receive_limit(fd), peek);
    if (count <= 0 || static_cast<std::size_t>(count) >= least || look_at(fd, POLLRDHUP) != 0) {
      return count;
    }
    const Nanos pause = detail::saturating_add(detail::now(), kPause);
    if (pause > deadline || !sleep_until(pause)) return scope.succeed(count);
  }
}

ssize_t receive(int fd, void* into, std::size_t size, int flags, sockaddr* peer,
                socklen_t* peer_size) {
  if (!may_receive_later(fd, flags)) return libc_recvfrom(fd, into, size, flags, peer, peer_size);
  socklen_t* const told = peer != nullptr ? peer_size : nullptr;
  const socklen_t room = told != nullptr ? *told : 0;
  socklen_t unused = 0;
  auto* const bytes = static_cast<std::byte*>(into);
  ssize_t last = 0;
  const auto attempt = [&](std::size_t done) {
    const socklen_t before = std::exchange(told != nullptr ? *told : unused, room);
    last = receive_now(fd, bytes + done, size - done, at_once(flags), peer, peer_size);
    if (last < 0 && told != nullptr) *told = before;
    return last;
  };
  const auto first = [&] { return attempt(0); };
  const std::size_t least = least_of(fd, flags, size);
  if (least <= 1) {
    const ssize_t count = until_done(fd, POLLIN, receive_limit(fd), first);
    if (count == 0 && last < 0 && told != nullptr) *told = 0;  // it is shut down
    return count;
  }
  if ((flags & MSG_PEEK) != 0) return peek_at(fd, least, first);
  return until_all(fd, POLLIN, receive_limit(fd), least, attempt);
}

// The parts of a message behind its first bytes, without what goes along with these.
class Rest {
 public:
  explicit Rest(const msghdr& message) : parts_({message.msg_iov, message.msg_iovlen}) {}
  std::size_t size() const noexcept { return size_; }
  msghdr* behind(std::size_t done) noexcept {
    parts_.skip(done - skipped_);
    skipped_ = done;
    message_.msg_iov = const_cast<iovec*>(parts_.left().data());
    message_.msg_iovlen = parts_.left().size();
    return &message_;
  }

 private:
  Parts parts_;
  const std::size_t size_ = parts_.size();  // of the whole message
  std::size_t skipped_ = 0;
  msghdr message_{};
};

void tell_nothing(msghdr& message) noexcept {
  message.msg_namelen = 0;
  message.msg_controllen = 0;
  message.msg_flags = 0;
}

ssize_t receive_message(int fd, msghdr* message, int flags) {
  if (!may_receive_later(fd, flags) || message == nullptr) return libc_recvmsg(fd, message, flags);
  const msghdr asked = *message;
  ssize_t last = 0;
  const auto attempt = [&] {
    *message = asked;
    return last = libc_recvmsg(fd, message, at_once(flags));
  };
  const std::size_t wanted = least_of(fd, flags, std::numeric_limits<std::size_t>::max());
  if (wanted > 1 && (flags & MSG_PEEK) != 0) {
    return peek_at(fd, std::min(wanted, Parts({asked.msg_iov, asked.msg_iovlen}).size()), attempt);
  }
  const ssize_t first = until_done(fd, POLLIN, receive_limit(fd), attempt);
  if (first == 0 && last < 0) tell_nothing(*message);  // it is shut down
  // What comes along with the bytes ends what is received at once.
  if (first <= 0 || wanted <= 1 || message->msg_controllen > 0) return first;
  Rest rest(asked);
  const std::size_t least = std::min(wanted, rest.size());
  if (static_cast<std::size_t>(first) >= least) return first;
  return until_all(
      fd, POLLIN, receive_limit(fd), least,
      [&](std::size_t done) { return libc_recvmsg(fd, rest.behind(done), at_once(flags)); },
      static_cast<std::size_t>(first));
}

// MSG_FASTOPEN connects, too, which the call that does not wait has only begun, and sent nothing.
// The time limit is that of each.
bool connects_first(int fd, int& flags, const void* peer, socklen_t peer_size) noexcept {
  if ((flags & MSG_FASTOPEN) == 0 || errno != EINPROGRESS || is_nonblocking(fd)) return false;
  flags &= ~MSG_FASTOPEN;
  if (::connect(fd, static_cast<const sockaddr*>(peer), peer_size) == 0) return true;
  if (errno == EALREADY) errno = EINPROGRESS;  // its time is up, and it was begun here
  return false;
}

ssize_t send_message(int fd, const msghdr* message, int flags) {
  if (!may_send_later(flags) || message == nullptr) return libc_sendmsg(fd, message, flags);
  const auto attempt = [&] { return libc_sendmsg(fd, message, flags | MSG_DONTWAIT); };
  const ssize_t first = until_done(fd, POLLOUT, send_limit(fd), [&] {
    const ssize_t count = attempt();
    return count < 0 && connects_first(fd, flags, message->msg_name, message->msg_namelen)
               ? attempt()
               : count;
  });
  if (first <= 0) return first;
  Rest rest(*message);
  if (static_cast<std::size_t>(first) == rest.size()) return first;
  flags &= ~MSG_FASTOPEN;
  return until_all(
      fd, POLLOUT, send_limit(fd), rest.size(),
      [&](std::size_t done) {
        return libc_sendmsg(fd, rest.behind(done), flags | MSG_DONTWAIT | silent_after(done));
      },
      static_cast<std::size_t>(first));
}

ssize_t send_to(int fd, const void* from, std::size_t size, int flags, const sockaddr* peer,
                socklen_t peer_size) {
  if (!may_send_later(flags)) return libc_sendto(fd, from, size, flags, peer, peer_size);
  const auto* const bytes = static_cast<const std::byte*>(from);
  return until_all(fd, POLLOUT, send_limit(fd), size, [&](std::size_t done) {
    if (done > 0) flags &= ~MSG_FASTOPEN;
    const auto go_on = [&] {
      return send_now(fd, bytes + done, size - done, flags | silent_after(done), peer, peer_size);
    };
    const ssize_t count = go_on();
    return count < 0 && connects_first(fd, flags, peer, peer_size) ? go_on() : count;
  });
}

// recvmmsg(2) looks at its time limit only after a message, and so does this.
int receive_messages(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
  if (!may_receive_later(fd, flags) || count == 0 || (limit != nullptr && !is_valid(*limit))) {
    return libc_recvmmsg(fd, messages, count, flags, limit);
  }
  const ErrnoScope scope;
  const Nanos begin = detail::now();
  const Nanos span = limit == nullptr ? kNever : nanos_of(*limit);
  unsigned done = 0;
  while (done < count) {
    const ssize_t got = until_done(fd, POLLIN, receive_limit(fd), [&]() -> ssize_t {
      return libc_recvmmsg(fd, messages + done, count - done, flags | MSG_DONTWAIT, nullptr);
    });
    if (got < 0) return done > 0 ? scope.succeed(static_cast<int>(done)) : -1;
    if (got == 0) {  // it is shut down
      tell_nothing(messages[done].msg_hdr);
      messages[done].msg_len = 0;
    }
    done += static_cast<unsigned>(std::max<ssize_t>(got, 1));
    if ((flags & MSG_WAITFORONE) != 0 || detail::now() - begin >= span) break;
    // The error that ended it is the next call's.
    if (done < count && (look_at(fd, 0) & POLLERR) != 0) break;
  }
  return static_cast<int>(done);
}

int send_messages(int fd, mmsghdr* messages, unsigned count, int flags) {
  if (!may_send_later(flags) || count == 0) return libc_sendmmsg(fd, messages, count, flags);
  const ErrnoScope scope;
  unsigned done = 0;
  while (done < count) {
    const ssize_t sent = until_done(fd, POLLOUT, send_limit(fd), [&]() -> ssize_t {
      return libc_sendmmsg(fd, messages + done, count - done, flags | MSG_DONTWAIT);
    });
    if (sent < 0) return done > 0 ? scope.succeed(static_cast<int>(done)) : -1;
    done += static_cast<unsigned>(sent);
    // Whether it was an error that ended it, which is nobody's by now, or that there was no room.
    if (done < count && (look_at(fd, POLLOUT) & POLLOUT) != 0) break;
  }
  return static_cast<int>(done);
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

[[noreturn]] void __chk_fail();  // NOLINT(bugprone-reserved-identifier)

[[gnu::hot]] ssize_t recv(int fd, void* into, size_t size, int flags) {
  if (flags == 0 && in_fiber()) [[likely]]
    return receive_in_fiber(fd, into, size);
  return receive(fd, into, size, flags, nullptr, nullptr);
}
ssize_t recvfrom(int fd, void* into, size_t size, int flags, sockaddr* peer, socklen_t* peer_size) {
  return receive(fd, into, size, flags, peer, peer_size);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) { return receive_message(fd, message, flags); }
int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
  return receive_messages(fd, messages, count, flags, limit);
}
ssize_t send(int fd, const void* from, size_t size, int flags) {
  return send_to(fd, from, size, flags, nullptr, 0);
}
ssize_t sendto(int fd, const void* from, size_t size, int flags, const sockaddr* peer,
               socklen_t peer_size) {
  return send_to(fd, from, size, flags, peer, peer_size);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return send_message(fd, message, flags);
}
int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return send_messages(fd, messages, count, flags);
}
int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
  if (level == SOL_SOCKET && option == SO_RCVLOWAT) mind_low_marks();
  return libc_setsockopt(fd, level, option, value, size);
}

// NOLINTBEGIN(bugprone-reserved-identifier): the names are libc's

ssize_t __send(int fd, const void* from, size_t size, int flags) {
  return send(fd, from, size, flags);
}
// What a fortified program calls.
ssize_t __recv_chk(int fd, void* into, size_t size, size_t room, int flags) {
  if (size > room) __chk_fail();
  return recv(fd, into, size, flags);
}
ssize_t __recvfrom_chk(int fd, void* into, size_t size, size_t room, int flags, sockaddr* peer,
                       socklen_t* peer_size) {
  if (size > room) __chk_fail();
  return recvfrom(fd, into, size, flags, peer, peer_size);
}

// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"
