// An echo over TLS.
//
//   17_tls_echo                           a demo: a server and its clients in one program
//   17_tls_echo PORT [CERTIFICATE KEY]    and in another terminal:
//                                         openssl s_client -connect localhost:PORT
//
// CERTIFICATE and KEY are PEM files. Without them the certificate is made on the spot, so that
// nobody but the program itself trusts it.

#include <weft/error.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/task.h>
#include <weft/tcp.h>
#include <weft/timeout.h>
#include <weft/tls.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "support/number.h"
#include "support/self_signed.h"

using namespace std::chrono_literals;

// One client. The handshake is made here and not where connections are accepted, so that a client
// that is slow, or never says a word, holds up nobody else.
void echo(weft::TcpStream stream, const weft::TlsContext& context) {
  weft::TlsStream client =
      weft::timeout(5s, [&] { return weft::TlsStream::accept(std::move(stream), context); });
  std::array<std::byte, 4096> buffer;
  while (const std::size_t got = client.read_some(buffer)) {
    client.write_all(std::span(buffer).first(got));
  }
  client.shutdown();  // without it the client could not tell this end from a broken connection
}

// What goes wrong with one client, in the handshake or later, ends its connection and no other.
void serve_echo(weft::TcpListener& listener, const weft::TlsCertificate& certificate,
                const weft::ServeOptions& options) {
  const auto context = weft::TlsContext::server({.certificates = {certificate}, .alpn = {"echo"}});
  weft::serve(
      listener, [&](weft::TcpStream stream) { echo(std::move(stream), context); }, options);
}

weft::TlsCertificate parse(const SelfSigned& made) {
  return weft::TlsCertificate::parse(made.certificate, made.key);
}

void talk(std::uint16_t port, const weft::TlsContext& context) {
  weft::TlsStream stream = weft::TlsStream::connect("localhost", port, context);
  std::printf("%s, %s, a session %s\n",
              stream.version() == weft::TlsVersion::kTls13 ? "TLS 1.3" : "TLS 1.2",
              stream.alpn().c_str(), stream.resumed() ? "taken up again" : "of its own");
  stream.write_all("hello through the tunnel\n");
  std::printf("%s", stream.read_until("\n").c_str());
  stream.shutdown();
  stream.read_to_end(0);  // the server ends it, too
}

void demo() {
  const SelfSigned made = make_self_signed();
  weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
  const std::uint16_t port = listener.local_port();
  weft::Task<void> serving = weft::spawn([&] {
    // The demo says itself what becomes of its clients.
    serve_echo(listener, parse(made), {.on_error = [](const weft::ServeError&) {}});
  });

  const auto client = weft::TlsContext::client({.ca_pem = made.certificate, .alpn = {"echo"}});
  talk(port, client);
  talk(port, client);
  const auto stranger = weft::TlsContext::client();  // trusts whom the system trusts
  try {
    weft::TlsStream::connect("localhost", port, stranger);
  } catch (const weft::TlsError& error) {
    std::printf("a stranger leaves: %s\n", error.code().message().c_str());
  }
  listener.close();
  serving.get();
}

void run_server(std::uint16_t port, const weft::TlsCertificate& certificate) {
  weft::TcpListener listener = weft::TcpListener::bind("", port);  // "": on every interface
  std::printf("listening on port %u, Ctrl-C ends\n", unsigned{listener.local_port()});
  serve_echo(listener, certificate, {.drain_timeout = 1s});  // a line on stderr for each error
}

int main(int argc, char** argv) {
  const auto port = parse_number<std::uint16_t>(argc > 1 ? argv[1] : "0", 0, 65535);
  if ((argc != 1 && argc != 2 && argc != 4) || !port) {
    std::fprintf(stderr, "usage: %s [PORT [CERTIFICATE KEY]]\n", argv[0]);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a line is seen at once, through a pipe too
  try {
    weft::run([&] {
      if (argc == 1) return demo();
      run_server(*port, argc == 4 ? weft::TlsCertificate::load(argv[2], argv[3])
                                  : parse(make_self_signed()));
    });
  } catch (const weft::Cancelled&) {
    std::puts("stopped");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
