// The echo workload on libuv: callbacks on one loop. An answer is written where it was read if the
// socket takes it whole; else the connection reads no more until the rest is written.

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <uv.h>

#include "support/check.h"
#include "support/end_with_stdin.h"
#include "support/loopback.h"

namespace {

using bench::check;

struct Connection {
  uv_tcp_t socket;
  uv_write_t rest;
  std::array<char, 4096> buffer;
};

uv_stream_t* stream_of(Connection* connection) {
  return reinterpret_cast<uv_stream_t*>(&connection->socket);
}

void end(Connection* connection) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&connection->socket);
  uv_close(handle, [](uv_handle_t* closed) { delete static_cast<Connection*>(closed->data); });
}

void start_reading(Connection* connection);

void on_rest_written(uv_write_t* request, int status) {
  auto* connection = static_cast<Connection*>(request->data);
  if (status == 0) {
    start_reading(connection);
  } else {
    end(connection);
  }
}

void on_read(uv_stream_t* stream, ssize_t got, const uv_buf_t* buffer) {
  auto* connection = static_cast<Connection*>(stream->data);
  if (got < 0) return end(connection);
  if (got == 0) return;  // nothing to read after all
  uv_buf_t answer = uv_buf_init(buffer->base, static_cast<unsigned>(got));
  const int put = uv_try_write(stream, &answer, 1);
  if (put == got) return;
  if (put < 0 && put != UV_EAGAIN) return end(connection);
  const int written = put < 0 ? 0 : put;
  answer = uv_buf_init(buffer->base + written, static_cast<unsigned>(got - written));
  uv_read_stop(stream);
  connection->rest.data = connection;
  check(uv_write(&connection->rest, stream, &answer, 1, on_rest_written) == 0, "uv_write");
}

void start_reading(Connection* connection) {
  const auto give_buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    auto& own = static_cast<Connection*>(handle->data)->buffer;
    *buffer = uv_buf_init(own.data(), static_cast<unsigned>(own.size()));
  };
  check(uv_read_start(stream_of(connection), give_buffer, on_read) == 0, "uv_read_start");
}

void on_connection(uv_stream_t* listener, int status) {
  check(status == 0, "a connection comes");
  auto connection = std::make_unique<Connection>();
  connection->socket.data = connection.get();
  check(uv_tcp_init(listener->loop, &connection->socket) == 0, "uv_tcp_init");
  Connection* const accepted = connection.release();  // from now on the loop has it
  if (uv_accept(listener, stream_of(accepted)) != 0) return end(accepted);
  uv_tcp_nodelay(&accepted->socket, 1);
  start_reading(accepted);
}

std::uint16_t listen_on_loopback(uv_tcp_t* listener) {
  sockaddr_in address{};
  check(uv_ip4_addr("127.0.0.1", 0, &address) == 0, "uv_ip4_addr");
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  check(uv_tcp_bind(listener, generic, 0) == 0, "uv_tcp_bind");
  auto* stream = reinterpret_cast<uv_stream_t*>(listener);
  check(uv_listen(stream, SOMAXCONN, on_connection) == 0, "uv_listen");
  int length = sizeof(address);
  check(uv_tcp_getsockname(listener, generic, &length) == 0, "uv_tcp_getsockname");
  return ntohs(address.sin_port);
}

}  // namespace

int main() {
  bench::end_with_stdin();
  uv_loop_t* const loop = uv_default_loop();
  uv_tcp_t listener;
  check(uv_tcp_init(loop, &listener) == 0, "uv_tcp_init");
  bench::say_listening(listen_on_loopback(&listener));
  return uv_run(loop, UV_RUN_DEFAULT);
}
