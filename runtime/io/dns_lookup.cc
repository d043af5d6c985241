#include "io/dns_lookup.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "io/dns_sockets.h"
#include "reactor/reactor.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

using AddressList = std::unique_ptr<ares_addrinfo, decltype(&::ares_freeaddrinfo)>;

struct Answer {
  bool given = false;
  int status = ARES_SUCCESS;
  AddressList addresses{nullptr, &::ares_freeaddrinfo};
};

// Called by c-ares: nothing is thrown through it.
void on_answer(void* to, int status, int, ares_addrinfo* addresses) noexcept {
  auto& answer = *static_cast<Answer*>(to);
  answer.given = true;
  answer.status = status;
  answer.addresses.reset(addresses);
}

// c-ares wants to be told, once, before its first use and after its last.
class Library {
 public:
  static void need() {
    static const Library library;
    static_cast<void>(library);
  }
  ~Library() { ::ares_library_cleanup(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

 private:
  Library() {
    if (::ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) throw std::bad_alloc();
  }
};

ares_addr_port_node node_of(const SocketAddress& server) noexcept {
  ares_addr_port_node node{};
  node.family = server.data()->sa_family;
  if (server.is_ipv4()) {
    node.addr.addr4 = reinterpret_cast<const sockaddr_in*>(server.data())->sin_addr;
  } else {
    static_assert(sizeof(node.addr.addr6) == sizeof(in6_addr));
    std::memcpy(&node.addr.addr6, &reinterpret_cast<const sockaddr_in6*>(server.data())->sin6_addr,
                sizeof(in6_addr));
  }
  node.udp_port = node.tcp_port = server.port();  // c-ares, too, takes 0 for 53
  return node;
}

class Channel {
 public:
  Channel(const ResolveOptions& options, DnsSockets& sockets) {
    Library::need();
    ares_options wanted{};
    wanted.timeout = static_cast<int>(
        std::min<std::chrono::milliseconds::rep>(options.timeout.count(), INT_MAX));
    wanted.tries = options.tries;
    wanted.sock_state_cb = &DnsSockets::on_state;
    wanted.sock_state_cb_data = &sockets;
    check(::ares_init_options(&channel_, &wanted,
                              ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB));
    sockets.serve(channel_);
    try {
      set_servers(options.servers);
    } catch (...) {
      ::ares_destroy(channel_);
      throw;
    }
  }
  ~Channel() { ::ares_destroy(channel_); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  ares_channel get() const noexcept { return channel_; }

  /// When there is something to do although no answer has come.
  Nanos deadline() const noexcept {
    timeval left{};
    const timeval* const due = ::ares_timeout(channel_, nullptr, &left);
    WEFT_ASSERT(due != nullptr, "c-ares gives up whatever goes on without an end");
    return now() + (Nanos{due->tv_sec} * 1'000'000 + due->tv_usec) * 1000;
  }

 private:
  void set_servers(const std::vector<SocketAddress>& servers) {
    if (servers.empty()) return;
    std::vector<ares_addr_port_node> nodes;
    nodes.reserve(servers.size());
    for (const SocketAddress& server : servers) nodes.push_back(node_of(server));
    for (std::size_t i = 1; i < nodes.size(); ++i) nodes[i - 1].next = &nodes[i];
    check(::ares_set_servers_ports(channel_, nodes.data()));
  }
  static void check(int status) {
    if (status == ARES_ENOMEM) throw std::bad_alloc();
    if (status == ARES_SUCCESS) return;
    throw std::system_error(EAI_FAIL, resolve_category(),
                            std::string("resolve: c-ares says ") + ::ares_strerror(status));
  }

  ares_channel channel_ = nullptr;
};

// c-ares ends with "could not contact" when every server refused.
int real_status(int status, int refusal) noexcept {
  if (status != ARES_ECONNREFUSED) return status;
  switch (refusal) {
    case ns_r_servfail:
      return ARES_ESERVFAIL;
    case ns_r_notimpl:
      return ARES_ENOTIMP;
    case ns_r_refused:
      return ARES_EREFUSED;
    default:
      return status;
  }
}

int code_of(int status) noexcept {
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
      return EAI_NONAME;
    case ARES_ENODATA:
      return EAI_NODATA;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
      return EAI_AGAIN;
    case ARES_ENOMEM:
      return EAI_MEMORY;
    default:
      return EAI_FAIL;
  }
}

[[noreturn]] void throw_status(const std::string& host, int status, const DnsSockets& sockets) {
  const std::string what = "resolve '" + host + "'";
  if (status == ARES_ECONNREFUSED && sockets.open_error() != 0) {
    throw std::system_error(sockets.open_error(), std::system_category(), what);
  }
  status = real_status(status, sockets.refusal());
  throw std::system_error(code_of(status), resolve_category(),
                          what + " (" + ::ares_strerror(status) + ")");
}

}  // namespace

std::vector<SocketAddress> look_up(const std::string& host, std::uint16_t port, int family,
                                   const ResolveOptions& options) {
  Reactor* const reactor = current_reactor();
  // In this order: the channel's end calls on_answer(), and closes its sockets.
  Answer answer;
  DnsSockets sockets;
  const Channel channel(options, sockets);
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  ::ares_getaddrinfo(channel.get(), host.c_str(), nullptr, &hints, &on_answer, &answer);
  while (!answer.given) {
    if (const int error = sockets.wait(reactor, channel.deadline())) {
      throw std::system_error(error, std::system_category(), "resolve '" + host + "'");
    }
    sockets.process(channel.get());
  }
  if (answer.status != ARES_SUCCESS) throw_status(host, answer.status, sockets);
  std::vector<SocketAddress> found;
  for (const auto* node = answer.addresses->nodes; node != nullptr; node = node->ai_next) {
    const auto address = SocketAddress::from(node->ai_addr, node->ai_addrlen);
    if (address.has_value()) found.push_back(address->with_port(port));
  }
  if (found.empty()) throw_status(host, ARES_ENODATA, sockets);
  return found;
}

}  // namespace weft::detail
