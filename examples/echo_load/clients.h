#pragma once

#include <weft/gather.h>
#include <weft/sleep.h>
#include <weft/task.h>
#include <weft/tcp.h>
#include <weft/timeout.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace echo_load {

using Clock = std::chrono::steady_clock;
using Message = std::array<std::byte, 64>;

// How long the last answers may take.
inline constexpr std::chrono::seconds kPatience{10};

struct Client {
  weft::TcpStream server = {};
  std::uint64_t number = 0;
  std::atomic<std::uint64_t> answered = 0;    // read by the progress line meanwhile
  std::vector<std::uint32_t> latencies = {};  // microseconds
  std::string trouble = {};                   // what became of the request that was lost
};

// No two alike, so that an answer that went astray is noticed.
inline Message message_for(const Client& client) {
  const std::uint64_t parts[] = {client.number, client.answered};
  Message message{};
  std::memcpy(message.data(), parts, sizeof parts);
  return message;
}

inline void ask(Client& client) {
  const Message sent = message_for(client);
  Message received;
  const auto start = Clock::now();
  client.server.write_all(sent);
  client.server.read_exactly(received);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
  if (received != sent) throw std::runtime_error("the answer belongs to another request");
  client.latencies.push_back(static_cast<std::uint32_t>(took.count()));
  ++client.answered;
}

// An error ends this client; the request it was at is the one it has lost.
inline void ask_until(Clock::time_point end, Client& client) {
  try {
    weft::timeout_at(end + kPatience, [&] {
      while (Clock::now() < end) ask(client);
    });
  } catch (const std::exception& error) {
    client.trouble = error.what();
  }
}

inline std::uint64_t total_answered(const std::vector<Client>& clients) {
  std::uint64_t total = 0;
  for (const Client& client : clients) total += client.answered;
  return total;
}

inline void show_progress(const std::vector<Client>& clients, Clock::time_point start,
                          unsigned seconds) {
  std::uint64_t before = 0;
  for (unsigned second = 1; second <= seconds; ++second) {
    weft::sleep_until(start + std::chrono::seconds(second));
    const std::uint64_t now = total_answered(clients);
    std::fprintf(stderr, "  second %u of %u: %" PRIu64 " requests\n", second, seconds,
                 now - before);
    before = now;
  }
}

inline void connect_all(std::vector<Client>& clients, const weft::SocketAddress& server) {
  std::vector<weft::Task<weft::TcpStream>> connecting;
  connecting.reserve(clients.size());
  for (std::size_t i = 0; i < clients.size(); ++i) {
    connecting.push_back(weft::spawn([server] { return weft::TcpStream::connect(server); }));
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].number = i;
    clients[i].server = std::move(connecting[i]).get();
  }
}

// Returns when every client has its last answer, or has given up.
inline void put_under_load(std::vector<Client>& clients, unsigned seconds) {
  const auto start = Clock::now();
  const auto end = start + std::chrono::seconds(seconds);
  std::vector<weft::Task<void>> tasks;
  tasks.reserve(clients.size() + 1);
  for (Client& client : clients) {
    tasks.push_back(weft::spawn([&client, end] { ask_until(end, client); }));
  }
  tasks.push_back(weft::spawn([&, start] { show_progress(clients, start, seconds); }));
  weft::gather(tasks);
}

}  // namespace echo_load
