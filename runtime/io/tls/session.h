#pragma once

// One connection: the engine, what carries its records, and the fibers in between.
//
// Locks, in the order in which they may be held together:
//
//   a turn     send_turn_, receive_turn_: to carry records one way. Held by a fiber while it waits
//              for the connection below. No fiber has both.
//   mutex_     the engine. Held while OpenSSL computes, never while a fiber waits for anything.
//
// Reading and writing meet in the engine: what a reader takes in may make it answer (an update of
// the keys, an alert), and in the middle of a message of the peer's that has not arrived in full a
// writer needs input first. So each call asks the engine what it needs and sees to it itself,
// unless another fiber is at it already:
//
//  1. Input. Who needs some waits for receive_turn_. If records have arrived since the engine asked
//     (arrivals_ has moved on), it asks again instead of receiving. So of a reader and a writer
//     that both need input one receives, and both go on. The turn is passed on in order: who has
//     received, and needs more, would otherwise take it again before the other wakes, and the two
//     might wait for each other through the peer.
//  2. Output. Who writes drains it under send_turn_ and looks once more when it has left the turn.
//     Who reads does not wait for that turn, nor for long for the peer: two sides that both write
//     more than the connection holds would otherwise each stop reading until the other reads. If
//     the turn is taken, whoever has it will see the output: it leaves the turn before it looks
//     again under mutex_, and this fiber's output was there, under mutex_, before it found the turn
//     taken.
//  3. Cancelled, nothing is lost. Records that have arrived are noted in fresh_ before the engine's
//     lock is waited for; output stays where it is until the connection below has taken it. The
//     engine's own steps are all or nothing.

#include <weft/fair_mutex.h>
#include <weft/mutex.h>
#include <weft/tls.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/read_buffer.h"
#include "io/tls/engine.h"

namespace weft::detail {

/// What both sides have agreed upon; constant once the handshake is done.
struct TlsAgreement {
  TlsVersion version = TlsVersion::kTls12;
  std::string cipher, alpn, server_name;
  bool resumed = false;
  X509Ptr peer_certificate;
};

class TlsSession {
 public:
  TlsSession(std::unique_ptr<TlsTransport> transport, std::shared_ptr<TlsContextState> context,
             const std::string& host, const std::string& server);

  void handshake();

  /// Waits for some bytes; 0 at the end. Cancelled, it has taken none. `into` is not empty.
  std::size_t receive(std::span<std::byte> into);
  /// By whoever reads: what came and was not asked for yet.
  ReadBuffer received;

  /// Puts data on the wire. It is under way for certain after send().
  void put(std::span<const std::byte> data);
  /// Waits until the connection below has taken all there is.
  void send();
  /// Puts some of the data, which is not empty, and sends it. Cancelled, it has put none.
  std::size_t put_some(std::span<const std::byte> data);

  void end_writing();
  void update_keys(bool both);

  void close() noexcept { transport_->close(); }
  bool is_open() const noexcept { return transport_->is_open(); }
  const TlsAgreement& agreement() const noexcept { return agreement_; }
  const std::string& name() const noexcept { return name_; }

 private:
  template <class Call>
  auto until_closed(const char* operation, Call call);
  std::size_t receive_some(std::span<std::byte> into);
  void put_all(std::span<const std::byte> data);
  /// What the engine said, and what there was to be said of it at that moment.
  struct Asked {
    TlsStep step;
    std::uint64_t arrivals;
    std::size_t output;
  };

  template <class Call>
  Asked ask(Call call);
  template <class Call>
  void write_step(const char* operation, Call call);
  void receive_more(std::uint64_t seen);
  void drain();
  void flush();
  void flush_politely();
  void choose_certificate();
  void note_agreement();
  [[noreturn]] void fail(const char* operation);

  const std::unique_ptr<TlsTransport> transport_;
  const std::shared_ptr<TlsContextState> context_;
  const std::string name_;

  FairMutex receive_turn_;  // its holder waits for the peer, and would else take it again first
  std::size_t fresh_ = 0;   // under receive_turn_: bytes in the wire's room, not yet committed
  bool ended_ = false;      // under receive_turn_: the connection below has
  Mutex send_turn_;
  std::vector<std::byte> sending_;  // under send_turn_
  std::size_t sent_ = 0;            // under send_turn_: of sending_

  Mutex mutex_;
  TlsEngine engine_;            // under mutex_
  std::uint64_t arrivals_ = 0;  // written under receive_turn_ and mutex_, read under either
  std::size_t unsent_ = 0;      // by whoever writes: bytes put since the last send()
  TlsAgreement agreement_;
};

}  // namespace weft::detail
