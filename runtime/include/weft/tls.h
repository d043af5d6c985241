#pragma once

// TLS by OpenSSL. Link with weft_tls beside weft (pkg-config: weft_tls); <weft/weft.h> does not
// include this.

#include <sys/uio.h>
#include <weft/stream.h>
#include <weft/tcp.h>
#include <weft/tls_context.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

class TlsSession;

/// What carries the records.
class TlsTransport {
 public:
  TlsTransport() = default;
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;
  virtual ~TlsTransport() = default;
  virtual std::size_t read_some(std::span<std::byte> into) = 0;
  virtual std::size_t write_some(std::span<const std::byte> data) = 0;
  virtual void shutdown() = 0;
  virtual void close() noexcept = 0;
  virtual bool is_open() const noexcept = 0;
  virtual std::string peer() const = 0;
};

template <class Carrier>
class TlsTransportOf final : public TlsTransport {
 public:
  explicit TlsTransportOf(Carrier&& carrier) : carrier_(std::move(carrier)) {}
  std::size_t read_some(std::span<std::byte> into) override { return carrier_.read_some(into); }
  std::size_t write_some(std::span<const std::byte> data) override {
    return carrier_.write_some(data);
  }
  void shutdown() override { carrier_.shutdown(); }
  void close() noexcept override { carrier_.close(); }
  bool is_open() const noexcept override { return carrier_.is_open(); }
  std::string peer() const override {
    if constexpr (requires { std::string(carrier_.peer_address().to_string()); }) {
      return carrier_.peer_address().to_string();
    } else if constexpr (requires { std::string(carrier_.peer()); }) {
      return carrier_.peer();
    } else {
      return {};
    }
  }

 private:
  Carrier carrier_;
};

/// What TLS can run over: a TcpStream, a UnixStream, a TlsStream, or whatever has the same calls
/// with the same promises. Of these it needs that read_some() and write_some(), cancelled, have
/// taken or written nothing.
template <class Carrier>
concept TlsCarrier = std::is_nothrow_move_constructible_v<Carrier> &&
    requires(Carrier& carrier, std::span<std::byte> into, std::span<const std::byte> data) {
  { carrier.read_some(into) } -> std::same_as<std::size_t>;
  { carrier.write_some(data) } -> std::same_as<std::size_t>;
  carrier.shutdown();
  carrier.close();
  { carrier.is_open() } -> std::same_as<bool>;
};

}  // namespace detail

/// A TLS connection, whose handshake is done. Used like a Stream: one fiber may read while another
/// writes, two readers or two writers must take turns, close() may be called by anyone at any time,
/// and the object is moved or destroyed only while nobody is inside a call on it.
///
/// Calls that wait suspend the fiber and are cancellable: they throw Cancelled, and the stream
/// remains usable. They need a runtime: in a plain thread they throw std::logic_error. What fails
/// is a TlsError, or a std::system_error from the connection below.
///
/// A fiber that shakes hands needs 64 KiB of stack or more, of which the default has four times as
/// much (Options::stack_size, SpawnOptions::stack_size). OpenSSL 3.0 is content with 16 KiB, newer
/// versions, with larger keys, are not.
class TlsStream {
 public:
  static constexpr std::size_t kDefaultLimit = Stream::kDefaultLimit;

  /// No connection: every call fails with EBADF. Assign one.
  TlsStream() noexcept;
  TlsStream(TlsStream&& other) noexcept;
  TlsStream& operator=(TlsStream&& other) noexcept;
  /// Closes the connection. Without shutdown() before, the peer cannot tell it from a truncation.
  ~TlsStream();

  /// Connects to `host` (see TcpStream::connect) and shakes hands with it. The certificate must be
  /// for `host`, unless the context does not verify. Cancelled, nothing is left behind. A `timeout`
  /// scope limits it: on its own it waits for as long as the peer takes.
  static TlsStream connect(std::string_view host, std::uint16_t port, const TlsContext& context);
  /// The same over a connection that stands already, and that is closed if it fails. Throws
  /// std::invalid_argument for an empty host, unless the context does not verify.
  template <class Carrier>
  requires detail::TlsCarrier<Carrier>
  static TlsStream client(Carrier carrier, std::string_view host, const TlsContext& context) {
    return start_client(std::make_unique<detail::TlsTransportOf<Carrier>>(std::move(carrier)), host,
                        context);
  }
  /// The other side, for a connection that was just accepted. By the fiber that serves it, not the
  /// one that accepts others, as it takes as long as the client pleases.
  template <class Carrier>
  requires detail::TlsCarrier<Carrier>
  static TlsStream accept(Carrier carrier, const TlsContext& context) {
    return start_server(std::make_unique<detail::TlsTransportOf<Carrier>>(std::move(carrier)),
                        context);
  }

  // -- Reading: as with Stream, and lines() too. The end of the stream is what the peer has
  // declared; if the connection merely ends, that is TlsErrc::kTruncated.

  std::size_t read_some(std::span<std::byte> into);
  void read_exactly(std::span<std::byte> into);
  std::string read_until(std::string_view delimiter, std::size_t limit = kDefaultLimit);
  std::optional<std::string> read_line(std::size_t limit = kDefaultLimit);
  std::string read_to_end(std::size_t limit);

  // -- Writing.

  /// Waits until what was written before has left, writes some more, and returns how many bytes; 0
  /// if there are none. Cancelled, it has written none of them: once they are encrypted they are
  /// written, and a cancellation comes at the next wait. What has not left by then precedes
  /// whatever is written next.
  std::size_t write_some(std::span<const std::byte> data);

  // These write all of their data, or throw; then some of it may have been written. Cancelled, they
  // leave whole records behind, the first of the data, which precede whatever is written next; so
  // the peer sees a beginning of the data and then the rest of the stream.

  void write_all(std::span<const std::byte> data);
  void write_all(std::string_view text);
  /// The parts in order, small ones together in one record.
  void write_all(std::span<const iovec> parts);

  // -- The end.

  /// Declares the end of what this side writes, and shuts the connection below down for writing.
  /// What the peer sends can still be read. Suspends; cancelled, it may be called again.
  void shutdown();
  /// Closes the connection below and wakes whoever waits on it. Never suspends.
  void close() noexcept;
  bool is_open() const noexcept;

  // -- What was agreed upon. Never suspends.

  TlsVersion version() const;
  /// OpenSSL's name of it: "TLS_AES_256_GCM_SHA384".
  std::string cipher() const;
  /// The protocol that both sides know; empty: none.
  std::string alpn() const;
  /// The name that the client asked for; empty: none.
  std::string server_name() const;
  /// Whether an earlier session was taken up again.
  bool resumed() const;
  /// What the peer has shown; nothing if it showed none.
  std::optional<TlsCertificateInfo> peer_certificate() const;
  /// The peer, for messages: "example.org (93.184.216.34:443)".
  std::string peer() const;

  /// TLS 1.3: goes on with new keys, as a connection that lives for long may want to; the peer does
  /// too if `both`. As a writer. Throws TlsErrc::kProtocol for TLS 1.2.
  void update_keys(bool both = true);

 private:
  explicit TlsStream(std::unique_ptr<detail::TlsSession> session) noexcept;
  static TlsStream start_client(std::unique_ptr<detail::TlsTransport> transport,
                                std::string_view host, const TlsContext& context);
  static TlsStream start_server(std::unique_ptr<detail::TlsTransport> transport,
                                const TlsContext& context);
  detail::TlsSession& session(const char* operation) const;

  std::unique_ptr<detail::TlsSession> session_;
};

}  // namespace weft
