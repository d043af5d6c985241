#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "hook/parity/log.h"
#include "hook/parity/world.h"

namespace hook_parity {

namespace {

constexpr long kDelay = 1500;      // µs until a partner acts
constexpr long kTimeLimit = 4000;  // µs

void set_limit(int fd, int option, long micros) {
  const timeval limit{0, micros};
  ::setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit));
}

bool is_live(const End* end) { return end != nullptr && end->kind != Kind::kGone; }

// In two goes for who waits for all.
std::string write_later(int fd, const std::vector<unsigned char>& bytes, bool in_two) {
  const std::size_t half = in_two ? (bytes.size() + 1) / 2 : bytes.size();
  std::string text;
  for (std::size_t done = 0; done < bytes.size();) {
    pause(kDelay);
    const std::size_t size = std::min(half, bytes.size() - done);
    text += ' ' + outcome([&] { return ::write(fd, bytes.data() + done, size); });
    done += size;
  }
  return text;
}

// Exactly so many, then no more; fewer if the call is over before.
std::string drain(int fd, std::size_t total, const std::atomic<bool>& over) {
  std::vector<unsigned char> bytes(total);
  std::size_t done = 0;
  pause(kDelay);
  while (done < total) {
    const bool last = over.load();
    pollfd item{fd, POLLIN, 0};
    const int ready = ::poll(&item, 1, 10);
    if (ready == 0 && !last) continue;
    if (ready <= 0) break;
    const ssize_t got = ::read(fd, bytes.data() + done, total - done);
    // An empty message, or the end.
    if (got < 0 || (got == 0 && last)) break;
    done += static_cast<std::size_t>(got);
  }
  return std::to_string(done) + ' ' + text_of(std::span(bytes).first(done));
}

}  // namespace

void Help::let(World& world, std::function<std::string()> act) {
  seen_ = std::make_shared<std::string>();
  partner_ = std::make_unique<Partner>(world.random.one_in(2),
                                       [seen = seen_, act = std::move(act)] { *seen = act(); });
}

void Help::limit(int fd, int option) {
  limited_fd_ = fd;
  option_ = option;
  set_limit(fd, option, kTimeLimit);
}

std::string Help::finish() {
  over->store(true);
  partner_.reset();
  if (limited_fd_ >= 0) set_limit(limited_fd_, option_, 0);
  limited_fd_ = -1;
  return seen_ != nullptr ? ", partner saw " + *seen_ : "";
}

Help help_reading(World& world, const End& end, int wanted) {
  Help help;
  if (!end.reads || end.kind >= Kind::kFile) {
    if (end.kind != Kind::kTerminal) return help;
  }
  if (!is_blocking(end.fd)) return help;
  const short events = poll_now(end.fd, POLLIN | POLLRDHUP);
  const int have = pending(end.fd);
  // Who asks TCP for nothing is told of no time limit.
  const bool may_limit = is_socket(end.kind) && (end.kind != Kind::kTcp || wanted > 0);
  if (wanted < 1 || !is_socket(end.kind) || !is_stream(end.kind)) wanted = 1;
  if (events != 0 && (wanted <= std::max(have, 1) || (events & ~POLLIN) != 0)) return help;

  const End* const peer = world.peer_of(end);
  const int choice = world.random.below(4);
  if (choice == 0 && may_limit) {
    help.text = " within a time limit";
    help.limit(end.fd, SO_RCVTIMEO);
  } else if (choice == 1 && is_live(peer) && is_socket(end.kind) && end.kind != Kind::kDatagram &&
             end.kind != Kind::kUdp) {
    help.text = " until the peer shuts down";
    help.let(world, [fd = peer->fd] {
      pause(kDelay);
      return outcome([&] { return ::shutdown(fd, SHUT_WR); });
    });
  } else if (is_live(peer)) {
    int size = std::max(wanted - have, 1);
    if (wanted == 1) size += world.random.below(30);
    std::vector<unsigned char> bytes = world.bytes(static_cast<std::size_t>(size));
    if (end.kind == Kind::kEventfd) bytes = {static_cast<unsigned char>(size), 0, 0, 0, 0, 0, 0, 0};
    help.text = " until the peer has written " + std::to_string(bytes.size());
    help.let(world, [fd = peer->fd, bytes = std::move(bytes), in_two = wanted > 1] {
      return write_later(fd, bytes, in_two);
    });
  } else {
    help.possible = false;
  }
  return help;
}

Help help_writing(World& world, const End& end, std::size_t size) {
  Help help;
  const bool stream = is_stream(end.kind) && end.kind != Kind::kTerminal;
  if (!end.writes || end.kind == Kind::kFile || end.kind == Kind::kNull ||
      end.kind == Kind::kGone || !is_blocking(end.fd)) {
    return help;
  }
  const short events = poll_now(end.fd, POLLOUT);
  if ((events & ~POLLOUT) != 0) return help;
  if (events != 0 && (size <= 2048 || !stream)) return help;
  const End* const peer = world.peer_of(end);
  // Of Unix sockets it is known how much they hold.
  const bool may_limit = end.kind <= Kind::kSeqpacket;
  const bool may_drain = is_live(peer) && (stream || end.kind == Kind::kSeqpacket) && peer != &end;
  if (may_drain && (!may_limit || !world.random.one_in(3))) {
    const std::size_t total = static_cast<std::size_t>(pending(peer->fd)) + (stream ? size : 0);
    help.text = " while the peer reads";
    help.let(world, [fd = peer->fd, total, over = help.over] { return drain(fd, total, *over); });
  } else if (may_limit) {
    help.text = " within a time limit";
    help.limit(end.fd, SO_SNDTIMEO);
  } else {
    help.possible = false;
  }
  return help;
}

}  // namespace hook_parity
