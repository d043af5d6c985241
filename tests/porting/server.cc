#include "server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "support/child.h"

namespace porting {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLimit = std::chrono::seconds(20);
constexpr int kServersNice = 10, kClientsNice = -10;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

// In the child, where nothing may fail quietly.
void need(bool well) {
  if (!well) ::_exit(126);
}

pid_t start_process(const Server::Start& start) {
  std::vector<std::string> texts = start.arguments;
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  const passwd* const user = start.user.empty() ? nullptr : ::getpwnam(start.user.c_str());
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int in = ::open("/dev/null", O_RDONLY);
  const int out = ::open(start.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  need(::dup2(in, STDIN_FILENO) == 0 && ::dup2(out, STDOUT_FILENO) == 1);
  need(::dup2(out, STDERR_FILENO) == 2);
  ::close_range(3, ~0U, 0);
  if (user != nullptr) {
    need(::setgroups(0, nullptr) == 0 && ::setgid(user->pw_gid) == 0 &&
         ::setuid(user->pw_uid) == 0);
  }
  // After the user has changed, which would undo it.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  need(::getppid() == parent);
  // What is measured is the client: the server takes what it leaves. The kernel shares the cores
  // out by sessions first, where it does so at all, and then by processes.
  need(::setsid() > 0);
  need(::setpriority(PRIO_PROCESS, 0, kServersNice) == 0);
  ::execv(start.program.c_str(), arguments.data());
  ::_exit(127);
}

}  // namespace

std::vector<std::string> roots() {
  std::vector<std::string> all = {""};
  const char* const unpacked = std::getenv("WEFT_UNPACKED");
  std::istringstream paths(unpacked != nullptr ? unpacked : "");
  for (std::string path; std::getline(paths, path, ':');) all.push_back(path);
  return all;
}

std::string find_server(const std::string& name, const std::vector<std::string>& folders) {
  for (const std::string& root : roots()) {
    for (const std::string& folder : folders) {
      std::string path = root;
      path.append(folder).append("/").append(name);
      if (::access(path.c_str(), X_OK) == 0) return path;
    }
  }
  return support::find_program(name);
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

bool listens(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool there =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return there;
}

// Of sessions (sched(7), "The autogroup feature"): PostgreSQL has one for each connection, and all
// of this process would get no more than one of them.
bool go_before_servers() {
  static const bool goes = [] {
    constexpr const char* kSession = "/proc/self/autogroup";
    if (::setpriority(PRIO_PROCESS, 0, kClientsNice) != 0) return false;
    if (::access(kSession, F_OK) != 0) return true;  // then there are no sessions to the kernel
    std::ofstream session(kSession);
    session << 2 * kClientsNice << std::flush;
    return session.good();
  }();
  return goes;
}

Server::Server(const Start& start, int end_signal)
    : log_(start.log), end_signal_(end_signal), pid_(start_process(start)) {}

Server::~Server() { end(end_signal_); }

bool Server::has_ended() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

bool Server::is_up(int port) {
  return is_up([port] { return listens(port); });
}

bool Server::is_up(const std::function<bool()>& answers) {
  const auto deadline = Clock::now() + kLimit;
  while (!has_ended() && Clock::now() < deadline) {
    if (answers()) return !has_ended();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void Server::end(int signal) {
  if (has_ended()) return;
  ::kill(pid_, signal);
  const auto deadline = Clock::now() + kLimit;
  while (!has_ended()) {
    if (Clock::now() > deadline) ::kill(pid_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::string Server::last_words() const {
  std::ostringstream text;
  text << std::ifstream(log_).rdbuf();
  const std::string all = text.str();
  return all.substr(all.size() - std::min<std::size_t>(all.size(), 2000));
}

int run_to_end(const Server::Start& start) {
  int status = 0;
  const pid_t child = start_process(start);
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

}  // namespace porting
