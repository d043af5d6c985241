#pragma once

#include <weft/address.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace weft {

namespace detail {
struct DatagramState;
}  // namespace detail

/// What is known of a datagram that has come.
struct Datagram {
  /// Bytes that are in the buffer.
  std::size_t size = 0;
  /// Bytes that were sent. What did not fit into the buffer is lost.
  std::size_t full_size = 0;
  /// Who sent it.
  SocketAddress peer;
  bool truncated() const noexcept { return full_size > size; }
};

/// One datagram of several that are received at once.
struct DatagramSlot {
  /// Where it goes.
  std::span<std::byte> buffer;
  /// What has come.
  Datagram datagram = {};
};

/// One datagram of several that are sent at once.
struct OutgoingDatagram {
  std::span<const std::byte> data;
  /// The empty address: whom the socket is connected to.
  SocketAddress peer = {};
};

/// How to bind.
struct UdpOptions {
  /// Lets several sockets share one port, between which the kernel spreads senders.
  bool reuse_port = false;
  /// Lets several sockets of one machine listen to one multicast group's port.
  bool reuse_address = false;
  /// For an IPv6 address: takes no IPv4 datagrams.
  bool ipv6_only = false;
};

/// A UDP socket. Owns its descriptor and closes it when it dies.
///
/// Any number of fibers may send and receive at once: each datagram goes to one. Calls that wait
/// suspend the fiber and are cancellable: cancelled, they have sent or taken nothing. close() may
/// be called by anyone at any time. Threads and errors are as with Stream.
///
/// Of a connected socket, what the network reports (that nobody listens there: ECONNREFUSED) is
/// thrown by the next call that sends or receives, once, and concerns a datagram sent earlier. The
/// socket stays usable.
class UdpSocket {
 public:
  /// No socket: every call fails with EBADF.
  UdpSocket() noexcept;
  UdpSocket(UdpSocket&& other) noexcept;
  UdpSocket& operator=(UdpSocket&& other) noexcept;
  ~UdpSocket();

  /// Binds to `host`: a numeric address, a name (see resolve(); the first address counts), or ""
  /// for all interfaces, IPv6 and IPv4. Port 0 lets the kernel choose. May be called by a plain
  /// thread too. Suspends only to resolve a name.
  static UdpSocket bind(std::string_view host, std::uint16_t port, const UdpOptions& options = {});
  static UdpSocket bind(const SocketAddress& address, const UdpOptions& options = {});
  /// A socket that talks to `peer` alone, from an address of the kernel's choice. Nothing is sent.
  static UdpSocket connect(std::string_view host, std::uint16_t port);
  static UdpSocket connect(const SocketAddress& peer);
  /// Takes over a UDP socket, bound or connected or neither, and makes it non-blocking, for all who
  /// have it open, and closed on exec. Throws std::system_error that says what it is instead; then
  /// it is closed, too.
  static UdpSocket adopt(int fd);
  /// Makes a bound socket talk to `peer` alone. Never suspends.
  void connect_to(const SocketAddress& peer);

  // -- Sending. A datagram is sent as a whole or not at all; EMSGSIZE if it is too large.

  void send(std::span<const std::byte> data);
  void send(std::string_view text);
  void send_to(const SocketAddress& peer, std::span<const std::byte> data);
  void send_to(const SocketAddress& peer, std::string_view text);
  /// Waits until some can be sent, and sends the first ones, in order, with one system call.
  /// Returns how many, at least one unless there are none. An error concerns the first.
  std::size_t send_some(std::span<const OutgoingDatagram> datagrams);

  // -- Receiving.

  /// Waits for a datagram. One that is empty has size 0.
  Datagram receive(std::span<std::byte> into);
  /// Waits for one, and takes what else is there already, with one system call. Returns how many of
  /// the slots are filled, at least one unless there are none.
  std::size_t receive_some(std::span<DatagramSlot> slots);

  SocketAddress local_address() const;
  std::uint16_t local_port() const { return local_address().port(); }
  /// The empty address if it is connected to none.
  SocketAddress peer_address() const;

  // -- Options. They never suspend, and throw std::system_error.

  /// Allows sending to broadcast addresses.
  void set_broadcast(bool on);
  /// Bytes that the kernel keeps until they are received or sent; it has limits of its own.
  void set_receive_buffer(std::size_t bytes);
  void set_send_buffer(std::size_t bytes);
  /// Receives what is sent to a multicast group, by the interface of that number (if_nametoindex);
  /// 0: the system's choice.
  void join_group(const SocketAddress& group, unsigned interface = 0);
  void leave_group(const SocketAddress& group, unsigned interface = 0);
  /// How many networks away what is sent to groups may go. 1 from the start: this one.
  void set_multicast_hops(unsigned hops);
  /// Whether what is sent to groups comes back to this machine's members. On from the start.
  void set_multicast_loopback(bool on);
  /// By which interface what is sent to groups leaves; 0: the system's choice.
  void set_multicast_interface(unsigned interface);

  /// Wakes who waits. Closing again does nothing. Never suspends.
  void close() noexcept;
  bool is_open() const noexcept;
  /// The descriptor, still owned by the socket; -1 unless it is open.
  int native_handle() const noexcept;

 private:
  explicit UdpSocket(std::unique_ptr<detail::DatagramState>&& state) noexcept;
  detail::DatagramState& state(const char* operation) const;

  std::unique_ptr<detail::DatagramState> state_;
};

}  // namespace weft
