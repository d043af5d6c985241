// A TCP proxy: whoever connects to it talks to a server elsewhere, in both directions at once,
// until both sides have ended what they had to say.
//
//   15_proxy                       a demo: server, proxy and clients in one program
//   15_proxy PORT HOST PORT        and in another terminal: nc localhost PORT
//
// Half-close is what proxies get wrong: a client that has said all it wants to (a request, say)
// ends its half and waits for the answer. The proxy must pass the end on, and go on in the other
// direction.

#include <weft/copy.h>
#include <weft/error.h>
#include <weft/gather.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/task_group.h>
#include <weft/tcp.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "support/number.h"

// Everything that comes from the one goes to the other, and so does the end. What one side cannot
// take yet is not read from the other: that is all the flow control there is to do.
void pass_on(weft::Stream& from, weft::Stream& to) {
  weft::copy(from, to);
  to.shutdown(weft::Shutdown::kWrite);
}

// A failure of one direction ends the other, too: the group cancels it.
void forward(weft::TcpStream& client, std::string_view host, std::uint16_t port) {
  weft::TcpStream server = weft::TcpStream::connect(host, port);
  weft::task_group([&](weft::TaskGroup& group) {
    group.spawn([&] { pass_on(client, server); });
    pass_on(server, client);
  });
}

void run_proxy(weft::TcpListener& listener, std::string_view host, std::uint16_t port) {
  weft::serve(listener, [&](weft::TcpStream& client) { forward(client, host, port); });
}

// The demo's server: answers when the client has ended, so it needs to be told of that.
void count_letters(weft::TcpStream& client) {
  const std::string text = client.read_to_end(std::size_t{64} << 20);
  client.write_all(std::to_string(text.size()) + " bytes, the last is '" + text.back() + "'");
}

std::string ask(const weft::SocketAddress& proxy, const std::string& text) {
  weft::TcpStream stream = weft::TcpStream::connect(proxy);
  stream.write_all(text);
  stream.shutdown();
  return stream.read_to_end(100);
}

void demo() {
  weft::TcpListener server_side = weft::TcpListener::bind("127.0.0.1", 0);
  weft::TcpListener proxy_side = weft::TcpListener::bind("127.0.0.1", 0);
  weft::task_group([&](weft::TaskGroup& group) {
    group.spawn([&] { weft::serve(server_side, count_letters); });
    group.spawn([&] { run_proxy(proxy_side, "127.0.0.1", server_side.local_port()); });

    const weft::SocketAddress proxy = proxy_side.local_address();
    std::printf("through the proxy: %s\n", ask(proxy, "a short one.").c_str());
    // More than the kernel keeps on the way, several at once.
    const std::string large(std::size_t{8} << 20, 'x');
    const auto [one, other] = weft::gather([&] { return ask(proxy, large + '1'); },
                                           [&] { return ask(proxy, large + '2'); });
    std::printf("through the proxy: %s\nthrough the proxy: %s\n", one.c_str(), other.c_str());

    server_side.close();
    proxy_side.close();
  });
  std::puts("all connections have ended");
}

int main(int argc, char** argv) {
  const auto own_port = parse_number<std::uint16_t>(argc == 4 ? argv[1] : "0", 0, 65535);
  const auto port = parse_number<std::uint16_t>(argc == 4 ? argv[3] : "1", 1, 65535);
  if ((argc != 1 && argc != 4) || !own_port || !port) {
    std::fprintf(stderr, "usage: %s [PORT HOST PORT]\n", argv[0]);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a line is seen at once, through a pipe too
  try {
    weft::run([&] {
      if (argc == 1) return demo();
      weft::TcpListener listener = weft::TcpListener::bind("", *own_port);
      std::printf("listening on port %u, Ctrl-C ends\n", unsigned{listener.local_port()});
      run_proxy(listener, argv[2], *port);
    });
  } catch (const weft::Cancelled&) {
    std::puts("stopped");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
