#pragma once

#include <memory>
#include <string>

#include "server.h"
#include "support/temporary_folder.h"

namespace porting {

/// A web server whose page /NUMBER is page(NUMBER), over HTTP, over HTTPS by a certificate that
/// ca() has signed, and over HTTPS by one that nobody has.
class NginxServer {
 public:
  /// Null, and the reason in `why`, where there is none. Throws if it does not start.
  static std::unique_ptr<NginxServer> start(std::string& why);

  static constexpr int kPages = 50;
  static std::string page(int number);

  int http_port() const { return http_; }
  int https_port() const { return https_; }
  int untrusted_port() const { return untrusted_; }
  std::string ca() const { return folder_ / "ca.pem"; }
  std::string http(int page) const { return url("http", http_, page); }
  std::string https(int page) const { return url("https", https_, page); }
  std::string untrusted(int page) const { return url("https", untrusted_, page); }
  /// For /NAME.
  void add(const std::string& name, const std::string& text) const {
    folder_.write("pages/" + name, text);
  }
  Server& process() { return *server_; }

 private:
  NginxServer() = default;
  void write_files() const;
  std::string configuration() const;
  std::unique_ptr<Server> run(int port);
  static std::string url(const std::string& scheme, int port, int page) {
    return scheme + "://localhost:" + std::to_string(port) + "/" + std::to_string(page);
  }

  support::TemporaryFolder folder_;
  std::string program_;
  int http_ = 0, https_ = 0, untrusted_ = 0;
  std::unique_ptr<Server> server_;
};

}  // namespace porting
