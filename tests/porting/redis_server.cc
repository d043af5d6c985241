#include "redis_server.h"

#include <signal.h>

#include <stdexcept>

namespace porting {

std::unique_ptr<RedisServer> RedisServer::start(std::string& why) {
  std::unique_ptr<RedisServer> made(new RedisServer);
  made->program_ = find_server("redis-server", {});
  // The same program by another name, and Debian has that name in a package that starts nothing.
  if (made->program_.empty()) made->program_ = find_server("redis-check-rdb", {});
  if (made->program_.empty()) {
    why = "there is no Redis here";
    return nullptr;
  }
  made->server_ = start_on_free_port([&](int port) { return made->run(port); });
  if (listens(made->port_)) return made;
  throw std::runtime_error("Redis does not start: " + made->server_->last_words());
}

std::unique_ptr<Server> RedisServer::run(int port) {
  port_ = port;
  return std::make_unique<Server>(
      Server::Start{.program = program_,
                    .arguments = {"redis-server", "--port", std::to_string(port), "--bind",
                                  "127.0.0.1", "--save", "", "--dir", folder_.path()},
                    .log = folder_ / "log",
                    .user = {}},
      SIGTERM);
}

bool RedisServer::start_again() {
  server_ = run(port_);
  return server_->is_up(port_);
}

}  // namespace porting
