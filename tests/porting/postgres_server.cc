#include "postgres_server.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "support/authority.h"

namespace porting {

namespace {

// Debian keeps each version in a folder of its own; the newest comes first.
std::vector<std::string> version_folders() {
  std::vector<std::string> folders;
  for (const std::string& root : roots()) {
    std::error_code none;
    for (const auto& version :
         std::filesystem::directory_iterator(root + "/usr/lib/postgresql", none)) {
      folders.push_back("/usr/lib/postgresql/" + version.path().filename().string() + "/bin");
    }
  }
  std::sort(folders.rbegin(), folders.rend());
  return folders;
}

// It refuses to be run by root.
std::string unprivileged_user() {
  if (::geteuid() != 0) return {};
  return ::getpwnam("postgres") != nullptr ? "postgres" : "nobody";
}

bool give(const std::string& path, const std::string& user) {
  if (user.empty()) return true;
  const passwd* const owner = ::getpwnam(user.c_str());
  return owner != nullptr && ::chown(path.c_str(), owner->pw_uid, owner->pw_gid) == 0;
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

// Nothing in it outlives a test, so nothing needs to reach a disk.
constexpr const char* kSettings = R"(
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 250
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
ssl = on
)";

}  // namespace

bool PostgresServer::make_data(const std::string& bin) {
  write(log_, "");
  if (::mkdir(data_.c_str(), 0700) != 0 || !give(data_, user_) || !give(log_, user_)) return false;
  const int code = run_to_end({.program = bin + "/initdb",
                               .arguments = {bin + "/initdb", "-D", data_, "-A", "trust", "-U",
                                             "postgres", "-E", "UTF8", "--locale=C", "--no-sync"},
                               .log = log_,
                               .user = user_});
  std::ofstream(data_ + "/postgresql.conf", std::ios::app) << kSettings;
  return code == 0;
}

void PostgresServer::write_certificates() const {
  const support::Authority authority, other("another authority");
  const support::PemPair pair = authority.issue();
  write(ca(), authority.pem());
  write(other_ca(), other.pem());
  write(data_ + "/server.crt", pair.chain);
  const std::string key = data_ + "/server.key";
  write(key, pair.key);
  ::chmod(key.c_str(), 0600);
  give(key, user_);
}

std::unique_ptr<Server> PostgresServer::run(int port) {
  port_ = port;
  return std::make_unique<Server>(
      Server::Start{.program = program_,
                    .arguments = {program_, "-D", data_, "-p", std::to_string(port)},
                    .log = log_,
                    .user = user_},
      SIGINT);  // it closes all connections, and ends
}

bool PostgresServer::serves() {
  return server_->is_up([&] { return PQping(address().c_str()) == PQPING_OK; });
}

// What ./dev has unpacked may be in a folder that is closed to others; it runs from anywhere.
void PostgresServer::make_reachable() {
  using std::filesystem::perms;
  const auto is_open = [](const std::filesystem::path& path) {
    return (std::filesystem::status(path).permissions() & perms::others_exec) != perms::none;
  };
  std::filesystem::path path = std::filesystem::absolute(program_);
  bool reachable = true;
  for (; path != path.root_path(); path = path.parent_path()) reachable &= is_open(path);
  const std::size_t root = program_.find("/usr/lib/postgresql/");
  if (reachable || user_.empty() || root == std::string::npos) return;
  const std::string unpacked = program_.substr(0, root), copied = folder_ / "unpacked";
  for (const std::string part : {"/usr/lib/postgresql", "/usr/share/postgresql"}) {
    std::filesystem::create_directories(copied + part);
    std::filesystem::copy(unpacked + part, copied + part, std::filesystem::copy_options::recursive);
  }
  program_ = copied + program_.substr(root);
}

std::unique_ptr<PostgresServer> PostgresServer::start(std::string& why) {
  std::unique_ptr<PostgresServer> made(new PostgresServer);
  made->program_ = find_server("postgres", version_folders());
  if (made->program_.empty()) {
    why = "there is no PostgreSQL here";
    return nullptr;
  }
  made->user_ = unprivileged_user();
  ::chmod(made->folder_.path().c_str(), 0755);  // another user passes through
  made->make_reachable();
  if (made->make_data(std::filesystem::path(made->program_).parent_path())) {
    made->write_certificates();
    made->server_ = start_on_free_port([&](int port) { return made->run(port); });
    if (made->serves()) return made;
  }
  std::ifstream said(made->log_);
  throw std::runtime_error("PostgreSQL does not start: " +
                           std::string(std::istreambuf_iterator<char>(said), {}));
}

PostgresServer::~PostgresServer() = default;

bool PostgresServer::start_again() {
  server_ = run(port_);
  return serves();
}

std::string PostgresServer::address() const {
  return "host=localhost hostaddr=127.0.0.1 port=" + std::to_string(port_) +
         " user=postgres dbname=postgres gssencmode=disable connect_timeout=20";
}

}  // namespace porting
