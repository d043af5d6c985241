#pragma once

#include <memory>
#include <string>

#include "server.h"
#include "support/temporary_folder.h"

namespace porting {

/// A PostgreSQL with an empty database, which trusts everybody. It has a certificate, which ca()
/// has signed.
class PostgresServer {
 public:
  /// Null, and the reason in `why`, where there is none. Throws if it does not start.
  static std::unique_ptr<PostgresServer> start(std::string& why);
  ~PostgresServer();

  /// For PQconnectdb().
  std::string address() const;
  std::string ca() const { return folder_ / "ca.pem"; }
  std::string other_ca() const { return folder_ / "other.pem"; }
  Server& process() { return *server_; }
  /// After its end; on the same port.
  bool start_again();

 private:
  PostgresServer() = default;
  void make_reachable();
  bool make_data(const std::string& bin);
  void write_certificates() const;
  std::unique_ptr<Server> run(int port);
  bool serves();

  support::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data", log_ = folder_ / "log";
  std::string program_, user_;
  int port_ = 0;
  std::unique_ptr<Server> server_;
};

}  // namespace porting
