#pragma once

#include <memory>
#include <string>

#include "server.h"
#include "support/temporary_folder.h"

namespace porting {

class RedisServer {
 public:
  /// Null, and the reason in `why`, where there is none. Throws if it does not start.
  static std::unique_ptr<RedisServer> start(std::string& why);

  int port() const { return port_; }
  Server& process() { return *server_; }
  /// After its end; on the same port, and empty.
  bool start_again();

 private:
  RedisServer() = default;
  std::unique_ptr<Server> run(int port);

  support::TemporaryFolder folder_;
  std::string program_;
  int port_ = 0;
  std::unique_ptr<Server> server_;
};

}  // namespace porting
