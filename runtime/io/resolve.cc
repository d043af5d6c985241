#include <weft/resolve.h>

#include <netdb.h>
#include <weft/event.h>

#include <cerrno>
#include <memory>
#include <string>

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
  hints.ai_socktype = SOCK_STREAM;  // or each address would come once for every type
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(question.host.c_str(), nullptr, &hints, &found);
  if (code == EAI_SYSTEM) {
    question.error = {errno, std::system_category()};
  } else if (code != 0) {
    question.error = {code, resolve_category()};
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

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const ResolveCategory category;
  return category;
}

std::vector<SocketAddress> resolve(std::string_view host, std::uint16_t port) {
  if (const auto numeric = SocketAddress::parse(host, port)) return {*numeric};
  const auto question = std::make_shared<Question>();
  question->host = host;
  question->port = port;
  detail::Scheduler* const scheduler = detail::Scheduler::current();
  if (host.empty() || host.find('\0') != std::string_view::npos) {
    question->error = {EAI_NONAME, resolve_category()};
  } else if (scheduler == nullptr) {
    answer(*question);
  } else {
    detail::BlockingPool* const pool =
        scheduler->services().blocking.load(std::memory_order_acquire);
    if (pool == nullptr) throw std::logic_error("weft::resolve: the runtime is ending");
    pool->submit(std::make_unique<Job>(question));
    question->answered.wait();
  }
  if (question->failure) std::rethrow_exception(question->failure);
  if (question->error) {
    throw std::system_error(question->error, "resolve '" + std::string(host) + "'");
  }
  return std::move(question->addresses);
}

}  // namespace weft
