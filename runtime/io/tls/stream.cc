#include <weft/address.h>
#include <weft/tls.h>

#include <cerrno>
#include <stdexcept>
#include <utility>
#include <vector>

#include "io/buffered.h"
#include "io/io_error.h"
#include "io/tls/certificate.h"
#include "io/tls/session.h"

namespace weft {

namespace detail {
namespace {

// Parts below this size are put into one record with their neighbours: a record costs 22 bytes and
// some microseconds.
constexpr std::size_t kSmall = 4096;
constexpr std::size_t kRecord = std::size_t{16} * 1024;

struct TlsSource {
  TlsSession& session;

  ReadBuffer& received() const noexcept { return session.received; }
  std::size_t receive(std::span<std::byte> into) const { return session.receive(into); }
  const std::string& name() const noexcept { return session.name(); }
  void close() const noexcept { session.close(); }
};

void need_kind(const TlsContext& context, bool client, const char* operation) {
  if (context.state() == nullptr || context.state()->is_client != client) {
    throw std::invalid_argument(std::string(operation) + ": the context is not one of " +
                                (client ? "TlsContext::client" : "TlsContext::server"));
  }
}

std::unique_ptr<TlsSession> shake_hands(std::unique_ptr<TlsTransport> transport,
                                        const TlsContext& context, const std::string& host,
                                        const std::string& server) {
  need_reactor("TLS handshake");
  auto session = std::make_unique<TlsSession>(std::move(transport), context.state(), host, server);
  session->handshake();
  return session;
}

}  // namespace
}  // namespace detail

using detail::TlsSession;

TlsStream::TlsStream() noexcept = default;
TlsStream::TlsStream(std::unique_ptr<TlsSession> session) noexcept : session_(std::move(session)) {}
TlsStream::TlsStream(TlsStream&& other) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&& other) noexcept = default;
TlsStream::~TlsStream() = default;

TlsStream TlsStream::connect(std::string_view host, std::uint16_t port, const TlsContext& context) {
  detail::need_kind(context, true, "TlsStream::connect");
  const std::string expected(host);
  auto transport =
      std::make_unique<detail::TlsTransportOf<TcpStream>>(TcpStream::connect(host, port));
  return TlsStream(detail::shake_hands(std::move(transport), context, expected,
                                       expected + ':' + std::to_string(port)));
}

TlsStream TlsStream::start_client(std::unique_ptr<detail::TlsTransport> transport,
                                  std::string_view host, const TlsContext& context) {
  detail::need_kind(context, true, "TlsStream::client");
  const std::string expected(host);
  const std::string server = expected + " at " + transport->peer();
  return TlsStream(detail::shake_hands(std::move(transport), context, expected, server));
}

TlsStream TlsStream::start_server(std::unique_ptr<detail::TlsTransport> transport,
                                  const TlsContext& context) {
  detail::need_kind(context, false, "TlsStream::accept");
  return TlsStream(detail::shake_hands(std::move(transport), context, {}, {}));
}

TlsSession& TlsStream::session(const char* operation) const {
  if (session_ == nullptr) detail::throw_io_error(EBADF, operation, "(none)");
  return *session_;
}

// ---- Reading.

std::size_t TlsStream::read_some(std::span<std::byte> into) {
  TlsSession& self = session("TLS read from");
  if (into.empty()) return 0;
  if (!self.received.empty()) return self.received.take(into);
  detail::need_reactor("TLS read");
  return self.receive(into);
}

void TlsStream::read_exactly(std::span<std::byte> into) {
  TlsSession& self = session("TLS read from");
  detail::need_reactor("TLS read");
  detail::read_exactly(detail::TlsSource{self}, into);
}

std::string TlsStream::read_until(std::string_view delimiter, std::size_t limit) {
  TlsSession& self = session("TLS read from");
  detail::need_reactor("TLS read");
  return detail::read_until(detail::TlsSource{self}, delimiter, limit);
}

std::optional<std::string> TlsStream::read_line(std::size_t limit) {
  TlsSession& self = session("TLS read from");
  detail::need_reactor("TLS read");
  return detail::read_line(detail::TlsSource{self}, limit);
}

std::string TlsStream::read_to_end(std::size_t limit) {
  TlsSession& self = session("TLS read from");
  detail::need_reactor("TLS read");
  return detail::read_to_end(detail::TlsSource{self}, limit);
}

// ---- Writing.

std::size_t TlsStream::write_some(std::span<const std::byte> data) {
  TlsSession& self = session("TLS write to");
  if (data.empty()) return 0;
  detail::need_reactor("TLS write");
  return self.put_some(data);
}

void TlsStream::write_all(std::span<const std::byte> data) {
  TlsSession& self = session("TLS write to");
  detail::need_reactor("TLS write");
  self.put(data);
  self.send();
}

void TlsStream::write_all(std::string_view text) { write_all(std::as_bytes(std::span(text))); }

void TlsStream::write_all(std::span<const iovec> parts) {
  TlsSession& self = session("TLS write to");
  detail::need_reactor("TLS write");
  std::vector<std::byte> together;
  const auto put_together = [&] {
    self.put(together);
    together.clear();
  };
  for (const iovec& part : parts) {
    const std::span data(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    if (together.size() + data.size() > detail::kRecord) put_together();
    if (data.size() < detail::kSmall) {
      together.insert(together.end(), data.begin(), data.end());
      continue;
    }
    put_together();
    self.put(data);
  }
  put_together();
  self.send();
}

// ---- The end.

void TlsStream::shutdown() {
  TlsSession& self = session("TLS shutdown of");
  detail::need_reactor("TLS shutdown");
  self.end_writing();
}

void TlsStream::close() noexcept {
  if (session_ != nullptr) session_->close();
}

bool TlsStream::is_open() const noexcept { return session_ != nullptr && session_->is_open(); }

// ---- What was agreed upon.

TlsVersion TlsStream::version() const { return session("version of").agreement().version; }
std::string TlsStream::cipher() const { return session("cipher of").agreement().cipher; }
std::string TlsStream::alpn() const { return session("ALPN of").agreement().alpn; }
std::string TlsStream::server_name() const {
  return session("server name of").agreement().server_name;
}
bool TlsStream::resumed() const { return session("session of").agreement().resumed; }

std::optional<TlsCertificateInfo> TlsStream::peer_certificate() const {
  X509* const shown = session("certificate of").agreement().peer_certificate.get();
  if (shown == nullptr) return std::nullopt;
  return detail::describe(*shown);
}

std::string TlsStream::peer() const { return session("peer of").name(); }

void TlsStream::update_keys(bool both) {
  TlsSession& self = session("TLS update of keys with");
  detail::need_reactor("TLS update of keys");
  self.update_keys(both);
}

}  // namespace weft
