#include "io/tls/session.h"

#include <weft/error.h>
#include <weft/timeout.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "io/cancellable.h"
#include "io/io_error.h"

namespace weft::detail {

namespace {

// What is encrypted before it is sent: several records a system call, and not much memory.
constexpr std::size_t kBatch = std::size_t{32} * 1024;
// A buffer that grew beyond one record is given back.
constexpr std::size_t kMostKept = std::size_t{20} * 1024;
// A reader's answers wait for the peer for so long at a time, and pile up to so much.
constexpr auto kPatience = std::chrono::milliseconds(50);
constexpr std::size_t kMostUnanswered = std::size_t{64} * 1024;

std::string full_name(const std::string& host, const std::string& peer) {
  if (host.empty()) return peer.empty() ? "(unnamed)" : peer;
  return peer.empty() || peer == host ? host : host + " (" + peer + ')';
}

}  // namespace

TlsSession::TlsSession(std::unique_ptr<TlsTransport> transport,
                       std::shared_ptr<TlsContextState> context, const std::string& host,
                       const std::string& server)
    : transport_(std::move(transport)),
      context_(context),
      name_(full_name(host, transport_->peer())),
      engine_(std::move(context), host, server) {}

template <class Call>
TlsSession::Asked TlsSession::ask(Call call) {
  const std::lock_guard lock(mutex_);
  const TlsStep step = call(engine_);
  return {step, arrivals_, engine_.wire().output_size()};
}

// ---- Records, one way and the other.

void TlsSession::receive_more(std::uint64_t seen) {
  const std::lock_guard turn(receive_turn_);
  if (fresh_ == 0 && !ended_) {
    if (arrivals_ != seen) return;
    // The wire is empty, for the engine asked for more and nothing came since.
    fresh_ = transport_->read_some(engine_.wire().room());
    ended_ = fresh_ == 0;
  }
  const std::lock_guard lock(mutex_);
  if (fresh_ > 0) engine_.wire().commit(std::exchange(fresh_, 0));
  if (ended_) engine_.wire().end();
  ++arrivals_;
}

// With send_turn_ held.
void TlsSession::drain() {
  for (;;) {
    if (sent_ == sending_.size()) {
      sent_ = 0;
      sending_.clear();
      if (sending_.capacity() > kMostKept) sending_ = {};
      const std::lock_guard lock(mutex_);
      if (!engine_.wire().has_output()) return;
      engine_.wire().swap_output(sending_);
    }
    sent_ += transport_->write_some(std::span(sending_).subspan(sent_));
  }
}

void TlsSession::flush() {
  for (;;) {
    {
      const std::lock_guard turn(send_turn_);
      drain();
    }
    const std::lock_guard lock(mutex_);
    if (!engine_.wire().has_output()) return;
  }
}

// For who reads: see above.
void TlsSession::flush_politely() {
  // No time limit could end it, and then it would not be polite.
  if (!may_be_cancelled()) return;
  while (send_turn_.try_lock()) {
    try {
      const std::lock_guard turn(send_turn_, std::adopt_lock);
      timeout(kPatience, [this] { drain(); });
    } catch (const TimeoutError&) {
      return;  // next time, or whoever writes next
    } catch (const std::system_error&) {
      return;  // whoever writes will be told the same; what the peer sent before can still be read
    }
    const std::lock_guard lock(mutex_);
    if (!engine_.wire().has_output()) return;
  }
}

// ---- The handshake.

void TlsSession::handshake() {
  // A peer that turns us away says why and closes. Our next records then find nobody, but what it
  // said is still to be read.
  std::exception_ptr unsent;
  for (;;) {
    const Asked asked = ask([](TlsEngine& engine) { return engine.handshake(); });
    if (asked.step == TlsStep::kFailed || asked.step == TlsStep::kEnd) {
      if (unsent && (asked.step == TlsStep::kEnd || engine_.failure().error != TlsErrc::kAlert)) {
        std::rethrow_exception(unsent);
      }
      fail("TLS handshake with");
    }
    try {
      if (!unsent) flush();
      if (asked.step == TlsStep::kNeedsInput) receive_more(asked.arrivals);
    } catch (const std::system_error&) {
      if (unsent) std::rethrow_exception(unsent);
      unsent = std::current_exception();
    }
    if (asked.step == TlsStep::kNeedsCertificate) choose_certificate();
    if (asked.step != TlsStep::kDone) continue;
    if (unsent) std::rethrow_exception(unsent);
    return note_agreement();
  }
}

void TlsSession::choose_certificate() {
  std::string asked_for;
  ask([&](TlsEngine& engine) {
    asked_for = engine.server_name();
    return TlsStep::kDone;
  });
  std::exception_ptr refusal;
  try {
    std::optional<TlsCertificate> chosen = context_->choose(asked_for);
    ask([&](TlsEngine& engine) {
      engine.certificate_chosen(std::move(chosen));
      return TlsStep::kDone;
    });
  } catch (const Cancelled&) {
    throw;
  } catch (...) {
    refusal = std::current_exception();
  }
  if (!refusal) return;
  ask([](TlsEngine& engine) {
    engine.certificate_refused();
    return engine.handshake();  // which leaves an alert for the client
  });
  flush_politely();
  std::rethrow_exception(refusal);
}

void TlsSession::note_agreement() {
  ask([this](TlsEngine& engine) {
    agreement_ = {engine.version(),     engine.cipher(),  engine.alpn(),
                  engine.server_name(), engine.resumed(), engine.peer_certificate()};
    return TlsStep::kDone;
  });
}

// ---- Reading and writing.

template <class Call>
auto TlsSession::until_closed(const char* operation, Call call) {
  return told_of_close([this] { return is_open(); }, operation, [this] { return name_; }, call);
}

std::size_t TlsSession::receive(std::span<std::byte> into) {
  return until_closed("TLS read from", [&] { return receive_some(into); });
}

std::size_t TlsSession::receive_some(std::span<std::byte> into) {
  for (;;) {
    std::size_t count = 0;
    const Asked asked = ask([&](TlsEngine& engine) { return engine.read(into, count); });
    switch (asked.step) {
      case TlsStep::kDone:
        return count;
      case TlsStep::kEnd:
        return 0;
      case TlsStep::kNeedsInput:
        // A peer that has us answer and does not listen would fill the memory.
        if (asked.output > kMostUnanswered) flush();
        if (asked.output > 0) flush_politely();
        receive_more(asked.arrivals);
        break;
      default:
        fail("TLS read from");
    }
  }
}

template <class Call>
void TlsSession::write_step(const char* operation, Call call) {
  if (!is_open()) throw_io_error(EBADF, operation, name_);
  for (;;) {
    const Asked asked = ask(call);
    if (asked.step == TlsStep::kDone) return;
    if (asked.step == TlsStep::kEnd) throw_io_error(EPIPE, operation, name_);
    if (asked.step != TlsStep::kNeedsInput) fail(operation);
    flush_politely();
    receive_more(asked.arrivals);
  }
}

void TlsSession::put(std::span<const std::byte> data) {
  until_closed("TLS write to", [&] { put_all(data); });
}

void TlsSession::put_all(std::span<const std::byte> data) {
  while (!data.empty()) {
    // Also what a cancelled call has left: there is never more than a batch.
    if (unsent_ >= kBatch) send();
    const auto chunk = data.first(std::min(data.size(), kBatch - unsent_));
    write_step("TLS write to", [&](TlsEngine& engine) { return engine.write(chunk); });
    unsent_ += chunk.size();
    data = data.subspan(chunk.size());
  }
}

void TlsSession::send() {
  until_closed("TLS write to", [&] { flush(); });
  unsent_ = 0;
}

std::size_t TlsSession::put_some(std::span<const std::byte> data) {
  send();
  const auto chunk = data.first(std::min(data.size(), kBatch));
  put(chunk);
  try {
    send();
  } catch (const Cancelled&) {
    // The engine has it, so it counts as written; the cancellation is for the next wait.
    put_cancellation_back();
  }
  return chunk.size();
}

void TlsSession::end_writing() {
  write_step("TLS shutdown of", [](TlsEngine& engine) { return engine.end_writing(); });
  flush();
  transport_->shutdown();
}

void TlsSession::update_keys(bool both) {
  constexpr const char* kOperation = "TLS update of keys with";
  try {
    write_step(kOperation, [&](TlsEngine& engine) { return engine.update_keys(both); });
  } catch (const TlsError& error) {
    // What the engine says of itself does not name us.
    if (std::string_view(error.what()).starts_with(kOperation)) throw;
    throw TlsError(error.error(), std::string(kOperation) + ' ' + name_ + ": " + error.what());
  }
  flush();
}

void TlsSession::fail(const char* operation) {
  flush_politely();  // OpenSSL's alert
  TlsFailure failure{TlsErrc::kProtocol, "the peer ended the connection", 0};
  ask([&](TlsEngine& engine) {
    if (engine.has_failed()) failure = engine.failure();
    return TlsStep::kDone;
  });
  throw TlsError(failure.error, std::string(operation) + ' ' + name_ + ": " + failure.text,
                 failure.verify_result);
}

}  // namespace weft::detail
