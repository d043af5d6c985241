#include "nginx_server.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "support/authority.h"

namespace porting {

// From nothing to 100 KB.
std::string NginxServer::page(int number) {
  const auto size = static_cast<std::size_t>(number * number * 42);
  std::string text = "page " + std::to_string(number) + "\n";
  while (text.size() < size) text += std::to_string(text.size() * 7919 % 1'000'003) + " ";
  text.resize(size);
  return text;
}

void NginxServer::write_files() const {
  const support::Authority authority;
  const support::PemPair trusted = authority.issue(), lonely = support::Authority::self_signed();
  folder_.write("ca.pem", authority.pem());
  folder_.write("trusted.crt", trusted.chain);
  folder_.write("trusted.key", trusted.key);
  folder_.write("lonely.crt", lonely.chain);
  folder_.write("lonely.key", lonely.key);
  std::filesystem::create_directory(folder_ / "pages");
  for (int i = 0; i < kPages; ++i) folder_.write("pages/" + std::to_string(i), page(i));
}

std::string NginxServer::configuration() const {
  const auto listen = [&](int port, const std::string& certificate) {
    const std::string how = certificate.empty() ? ";" : " ssl;";
    std::string text = "server { listen 127.0.0.1:" + std::to_string(port) + how;
    if (!certificate.empty()) {
      text += "ssl_certificate " + (folder_ / certificate) + ".crt;";
      text += "ssl_certificate_key " + (folder_ / certificate) + ".key;";
    }
    return text + "root " + (folder_ / "pages") + ";}\n";
  };
  std::string text = ::geteuid() == 0 ? "user root;\n" : "";
  text += "daemon off; worker_processes 1; pid pid; lock_file lock; error_log stderr crit;\n";
  text += "events { worker_connections 2000; }\nhttp { access_log off;\n";
  for (const char* what : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    text += std::string(what) + "_temp_path " + (folder_ / what) + ";\n";
  }
  return text + listen(http_, "") + listen(https_, "trusted") + listen(untrusted_, "lonely") + "}";
}

std::unique_ptr<Server> NginxServer::run(int port) {
  http_ = port;
  https_ = free_port();
  untrusted_ = free_port();
  const std::string settings = folder_.write("nginx.conf", configuration());
  return std::make_unique<Server>(
      Server::Start{.program = program_,
                    .arguments = {"nginx", "-p", folder_.path(), "-c", settings, "-e", "stderr"},
                    .log = folder_ / "log",
                    .user = {}},
      SIGTERM);
}

std::unique_ptr<NginxServer> NginxServer::start(std::string& why) {
  std::unique_ptr<NginxServer> made(new NginxServer);
  made->program_ = find_server("nginx", {"/usr/sbin"});
  if (made->program_.empty()) {
    why = "there is no nginx here";
    return nullptr;
  }
  made->write_files();
  made->server_ = start_on_free_port([&](int port) { return made->run(port); });
  if (listens(made->http_) && listens(made->untrusted_)) return made;
  throw std::runtime_error("nginx does not start: " + made->server_->last_words());
}

}  // namespace porting
