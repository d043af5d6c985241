#include <weft/resolve.h>

#include <netdb.h>
#include <weft/event.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>

#if defined(WEFT_HAVE_CARES)
#include "io/dns_lookup.h"
#endif
#include "offload/blocking_pool.h"
#include "sched/scheduler.h"

namespace weft {

namespace {

class ResolveCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "resolve"; }
  std::string message(int code) const override { return ::gai_strerror(code); }
};

// Shared by who asks and the thread that finds out, as either may be the first to go.
struct Question {
  std::string host;
  std::uint16_t port = 0;
  int family = AF_UNSPEC;
  std::vector<SocketAddress> addresses;
  std::error_code error;
  std::exception_ptr failure;  // of ours: no memory
  Event answered;
};

void collect(Question& question, const addrinfo* first) {
  for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
    const auto address = SocketAddress::from(info->ai_addr, info->ai_addrlen);
    if (address.has_value()) question.addresses.push_back(address->with_port(question.port));
  }
  if (question.addresses.empty()) question.error = {EAI_NONAME, resolve_category()};
}

// Not inlined where a fiber has suspended: compilers keep errno's address across calls.
[[gnu::noinline]] void answer(Question& question) {
  addrinfo hints{};
  hints.ai_family = question.family;
  hints.ai_socktype = SOCK_STREAM;  // or each address would come once for every type
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(question.host.c_str(), nullptr, &hints, &found);
  if (code == EAI_SYSTEM) {
    question.error = {errno, std::system_category()};
  } else if (code != 0) {
    // One error, whether it is a number or a name that has no address of the family.
    question.error = {code == EAI_ADDRFAMILY ? EAI_NODATA : code, resolve_category()};
  } else {
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
    collect(question, list.get());
  }
}

class Job final : public detail::BlockingPool::Job {
 public:
  explicit Job(std::shared_ptr<Question> question) noexcept : question_(std::move(question)) {}
  void run() noexcept override {
    try {
      answer(*question_);
    } catch (...) {
      question_->failure = std::current_exception();
    }
    question_->answered.set();
  }

 private:
  const std::shared_ptr<Question> question_;
};

int family_of(AddressFamily family) noexcept {
  switch (family) {
    case AddressFamily::kIpv4:
      return AF_INET;
    case AddressFamily::kIpv6:
      return AF_INET6;
    case AddressFamily::kAny:
      break;
  }
  return AF_UNSPEC;
}

[[noreturn]] void throw_resolve_error(std::string_view host, std::error_code error) {
  throw std::system_error(error, "resolve '" + std::string(host) + "'");
}

std::vector<SocketAddress> ask_system(std::string_view host, std::uint16_t port, int family) {
  const auto question = std::make_shared<Question>();
  question->host = host;
  question->port = port;
  question->family = family;
  if (detail::Scheduler* const scheduler = detail::Scheduler::current()) {
    detail::BlockingPool* const pool =
        scheduler->services().blocking.load(std::memory_order_acquire);
    if (pool == nullptr) throw std::logic_error("weft::resolve: the runtime is ending");
    pool->submit(std::make_unique<Job>(question));
    question->answered.wait();
  } else {
    answer(*question);
  }
  if (question->failure) std::rethrow_exception(question->failure);
  if (question->error) throw_resolve_error(host, question->error);
  return std::move(question->addresses);
}

bool has_scope(const SocketAddress& address) noexcept {
  return address.is_ipv6() &&
         reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_scope_id != 0;
}

// Whether the options leave the question to the system, in as far as they make sense.
bool is_for_system(const ResolveOptions& options) {
  if (options.timeout <= std::chrono::milliseconds(0) || options.tries < 1) {
    throw std::invalid_argument(
        "weft::resolve: each server is given some time (ResolveOptions::timeout), and asked once "
        "or "
        "more often (tries)");
  }
  for (const SocketAddress& server : options.servers) {
    if (server.empty()) throw std::invalid_argument("weft::resolve: a server's address is empty");
    if (has_scope(server)) {
      throw std::invalid_argument("weft::resolve: the server " + server.to_string() +
                                  " has a scope, which c-ares cannot be given");
    }
  }
#if defined(WEFT_HAVE_CARES)
  constexpr bool kHaveCares = true;
#else
  constexpr bool kHaveCares = false;
#endif
  if (kHaveCares && !options.use_system) return false;
  const ResolveOptions standard;
  if (!options.servers.empty() || options.timeout != standard.timeout ||
      options.tries != standard.tries) {
    throw std::logic_error(
        std::string("weft::resolve: servers, timeout and tries are the system's own affair: ") +
        (kHaveCares ? "use_system leaves them to it" : "this weft was built without c-ares"));
  }
  return true;
}

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const ResolveCategory category;
  return category;
}

std::vector<SocketAddress> resolve(std::string_view host, std::uint16_t port,
                                   const ResolveOptions& options) {
  const bool system = is_for_system(options);
  const int family = family_of(options.family);
  if (const auto numeric = SocketAddress::parse(host, port)) {
    if (family == AF_UNSPEC || numeric->data()->sa_family == family) return {*numeric};
    throw_resolve_error(host, {EAI_NODATA, resolve_category()});
  }
  if (host.empty() || host.find('\0') != std::string_view::npos) {
    throw_resolve_error(host, {EAI_NONAME, resolve_category()});
  }
#if defined(WEFT_HAVE_CARES)
  if (!system) return detail::look_up(std::string(host), port, family, options);
#endif
  static_cast<void>(system);
  return ask_system(host, port, family);
}

}  // namespace weft
