#pragma once

// The sockets of one c-ares channel. c-ares opens and closes them, reads and writes, and says what
// it waits for; it never waits itself. It runs only in the thread or fiber that owns the channel,
// so nothing here is shared.

#include <ares.h>
#include <poll.h>

#include <optional>
#include <vector>

#include "base/time.h"
#include "reactor/fd_table.h"
#include "reactor/reactor.h"

namespace weft::detail {

class DnsSockets {
 public:
  DnsSockets() = default;
  DnsSockets(const DnsSockets&) = delete;
  DnsSockets& operator=(const DnsSockets&) = delete;

  /// For the options a channel is made with: on_state, and `this`.
  static void on_state(void* self, ares_socket_t fd, int reads, int writes) noexcept;
  /// Opens the channel's sockets here from now on. It is destroyed before this is.
  void serve(ares_channel channel) noexcept;

  /// Waits until a socket is ready for what the channel wants of it, or `deadline` is over. Fibers
  /// suspend, and throw Cancelled; `reactor` is null in a plain thread, which blocks. Returns 0, or
  /// the errno of what could not be done.
  int wait(Reactor* reactor, Nanos deadline);
  /// Lets the channel do what can be done without waiting.
  void process(ares_channel channel);

  /// Why a socket could not be opened, if one could not.
  int open_error() const noexcept { return open_error_; }
  /// What a server said that would not or could not answer: SERVFAIL, NOTIMP or REFUSED. 0 if none
  /// did. c-ares asks the next one and forgets.
  int refusal() const noexcept { return refusal_; }

 private:
  struct Socket {
    Descriptor descriptor;
    bool datagrams = false;
    bool reads = false, writes = false;  // what the channel wants
    unsigned watched = 0;                // and what `set_` has been told
  };
  struct Wanted {
    const Descriptor* descriptor;
    Direction direction;
  };

  // What c-ares calls. Nothing is thrown through it.
  static ares_socket_t open(int family, int type, int protocol, void* self) noexcept;
  static int close(ares_socket_t fd, void* self) noexcept;
  static int connect(ares_socket_t fd, const sockaddr* peer, ares_socklen_t size,
                     void* self) noexcept;
  static ares_ssize_t receive(ares_socket_t fd, void* into, std::size_t size, int flags,
                              sockaddr* from, ares_socklen_t* from_size, void* self) noexcept;
  static ares_ssize_t send(ares_socket_t fd, const iovec* parts, int count, void* self) noexcept;

  Socket* find(int fd) noexcept;
  std::vector<pollfd> poll_wanted(int timeout_millis) const;
  std::optional<Wanted> the_only_one() const noexcept;
  int make_set();
  int watch(Socket& socket) noexcept;
  int wait_until_ready(Reactor& reactor);

  std::vector<Socket> sockets_;
  // An epoll set of the sockets, which can be waited for as one. Made when there are several.
  Descriptor set_;
  int open_error_ = 0;
  int refusal_ = 0;
};

}  // namespace weft::detail
