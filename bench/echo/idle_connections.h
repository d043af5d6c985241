#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

// Connections that have been served one request each and then say nothing, and what the server's
// memory grew by for each. They stay open for as long as this lives.
class IdleConnections {
 public:
  IdleConnections(const sockaddr_in& server, std::size_t request_size, int count, pid_t server_pid);
  ~IdleConnections();
  IdleConnections(const IdleConnections&) = delete;
  IdleConnections& operator=(const IdleConnections&) = delete;

  double resident_bytes_each() const { return resident_; }
  double page_table_bytes_each() const { return page_tables_; }

 private:
  void open_one(const sockaddr_in& server, std::size_t request_size);

  std::vector<int> fds_;
  double resident_ = 0;
  double page_tables_ = 0;
};

}  // namespace bench
