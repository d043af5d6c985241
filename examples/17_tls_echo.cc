// An echo over TLS: a server and a client in one program, with a certificate made on the spot.

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

int main() {
  try {
    weft::run([] {
      const SelfSigned made = make_self_signed();
      const auto server = weft::TlsContext::server(
          {.certificates = {weft::TlsCertificate::parse(made.certificate, made.key)},
           .alpn = {"echo"}});
      const auto client = weft::TlsContext::client({.ca_pem = made.certificate, .alpn = {"echo"}});
      const auto stranger = weft::TlsContext::client();  // trusts whom the system trusts

      weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
      const std::uint16_t port = listener.local_port();
      weft::Task<void> serving = weft::spawn([&] {
        weft::serve(listener, [&](weft::TcpStream stream) { echo(std::move(stream), server); },
                    // A client that goes away in the handshake is no concern of ours.
                    {.on_error = [](const weft::ServeError&) {}});
      });
      talk(port, client);
      talk(port, client);
      try {
        weft::TlsStream::connect("localhost", port, stranger);
      } catch (const weft::TlsError& error) {
        std::printf("a stranger leaves: %s\n", error.code().message().c_str());
      }
      listener.close();
      serving.get();
    });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
