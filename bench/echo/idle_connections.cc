#include "idle_connections.h"

#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "scramble.h"
#include "support/check.h"
#include "support/process_memory.h"

namespace bench {

IdleConnections::IdleConnections(const sockaddr_in& server, std::size_t request_size, int count,
                                 pid_t server_pid) {
  // What the server has but once is there after the first.
  open_one(server, request_size);
  const std::int64_t resident = resident_bytes(server_pid);
  const std::int64_t tables = page_table_bytes(server_pid);
  for (int i = 0; i < count; ++i) open_one(server, request_size);
  resident_ = static_cast<double>(resident_bytes(server_pid) - resident) / count;
  page_tables_ = static_cast<double>(page_table_bytes(server_pid) - tables) / count;
}

IdleConnections::~IdleConnections() {
  for (const int fd : fds_) close(fd);
}

void IdleConnections::open_one(const sockaddr_in& server, std::size_t request_size) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(fd >= 0, "a descriptor for each idle connection (ulimit -n)");
  fds_.push_back(fd);
  const auto* const address = reinterpret_cast<const sockaddr*>(&server);
  check(connect(fd, address, sizeof(server)) == 0, "connect");
  std::vector<std::byte> request(request_size), answer(request_size);
  for (std::size_t i = 0; i < request_size; ++i) {
    request[i] = static_cast<std::byte>(scramble(fds_.size() * request_size + i));
  }
  const auto size = static_cast<ssize_t>(request_size);
  check(send(fd, request.data(), request_size, MSG_NOSIGNAL) == size, "send");
  check(recv(fd, answer.data(), request_size, MSG_WAITALL) == size, "recv");
  check(answer == request, "an idle connection's answer");
}

}  // namespace bench
