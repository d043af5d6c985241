// Goal: a TLS connection that breaks off, wherever in the handshake or in what is said that may be,
// ends with an error on the side that was still to hear something, and harms no other; nobody takes
// a part for the whole. Method: a relay between two honest ends that breaks off after a given
// number of bytes, for numbers all the way through; by a reset or by an end.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "support/tls.h"

namespace weft {
namespace {

using namespace support;

enum class Ending { kReset, kEnd };

const std::string kQuestion(3000, 'q');
const std::string kAnswer(5000, 'a');
constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

// Carries bytes both ways until so many have come by.
class Relay {
 public:
  Relay(Connected left, Connected right, std::size_t most, Ending how)
      : left_(std::move(left)), right_(std::move(right)), left_over_(most), how_(how) {}

  TcpStream take_client() { return std::move(left_.client); }
  TcpStream take_server() { return std::move(right_.server); }

  void run() {
    gather([&] { carry(left_.server, right_.client); },
           [&] { carry(right_.client, left_.server); });
    left_.server.close();
    right_.client.close();
  }
  std::size_t carried() const { return carried_; }

 private:
  void carry(TcpStream& from, TcpStream& to) {
    std::vector<std::byte> buffer(512);
    try {
      while (const std::size_t got = from.read_some(buffer)) {
        const std::size_t part = allow(got);
        to.write_all(std::span(buffer).first(part));
        if (part < got) return break_off();
      }
      to.shutdown();
    } catch (const std::system_error&) {
      // Broken off, by this or by an end that has had enough.
    }
  }
  std::size_t allow(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t part = std::min(bytes, left_over_);
    left_over_ -= part;
    carried_ += part;
    return part;
  }
  void break_off() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(broken_, true)) return;
    for (TcpStream* const stream : {&left_.server, &right_.client}) {
      if (how_ == Ending::kReset) {
        reset(*stream);
      } else {
        stream->close();
      }
    }
  }

  Connected left_, right_;
  std::mutex mutex_;
  std::size_t left_over_;    // under mutex_
  std::size_t carried_ = 0;  // under mutex_
  bool broken_ = false;      // under mutex_
  const Ending how_;
};

struct Outcome {
  std::string client_error, server_error;  // "": it got all that it was to get
  std::string asked, answered;
};

std::string error_text(const std::function<void()>& body) {
  try {
    body();
    return "";
  } catch (const std::system_error& error) {
    return error.what();
  }
}

void hear(TlsStream& stream, std::size_t size, std::string& text) {
  std::string piece(512, ' ');
  while (text.size() < size) {
    const std::size_t got = stream.read_some(bytes_of(piece));
    ASSERT_GT(got, 0U) << "took a connection that was broken off for one that ended";
    text.append(piece, 0, got);
  }
}

Outcome converse(Relay& relay, const TlsContext& client, const TlsContext& server) {
  Outcome outcome;
  const auto ask = [&] {
    TlsStream stream = TlsStream::client(relay.take_client(), "localhost", client);
    stream.write_all(kQuestion);
    hear(stream, kAnswer.size(), outcome.answered);
  };
  const auto answer = [&] {
    TlsStream stream = TlsStream::accept(relay.take_server(), server);
    hear(stream, kQuestion.size(), outcome.asked);
    stream.write_all(kAnswer);
  };
  gather([&] { outcome.client_error = error_text(ask); },
         [&] { outcome.server_error = error_text(answer); }, [&] { relay.run(); });
  return outcome;
}

class TlsBrokenOff : public testing::TestWithParam<std::tuple<TlsVersion, Ending>> {};

TEST_P(TlsBrokenOff, AnywhereEndsWithAnErrorWhereSomethingWasMissing) {
  run([] {
    const auto [version, ending] = GetParam();
    TlsClientOptions of_client = client_options();
    of_client.max_version = version;
    const TlsContext client = TlsContext::client(of_client);
    const TlsContext server = server_context();
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const auto after = [&, how = ending](std::size_t bytes) {
      return Relay(connect_to(listener), connect_to(listener), bytes, how);
    };

    Relay whole = after(kNever);
    const Outcome all = converse(whole, client, server);
    ASSERT_EQ(all.client_error + all.server_error, "");
    ASSERT_EQ(all.answered, kAnswer);

    int failures = 0;
    for (std::size_t bytes = 1; bytes < whole.carried(); bytes += 89) {
      Relay relay = after(bytes);
      const Outcome part = converse(relay, client, server);
      EXPECT_EQ(part.client_error.empty(), part.answered == kAnswer) << part.client_error;
      EXPECT_TRUE(!part.server_error.empty() || part.asked == kQuestion);
      EXPECT_EQ(kAnswer.compare(0, part.answered.size(), part.answered), 0);
      EXPECT_EQ(kQuestion.compare(0, part.asked.size(), part.asked), 0);
      if (!part.client_error.empty()) ++failures;
    }
    EXPECT_GT(failures, 50);

    Relay again = after(kNever);
    EXPECT_EQ(converse(again, client, server).answered, kAnswer);
  });
}

INSTANTIATE_TEST_SUITE_P(Tls, TlsBrokenOff,
                         testing::Combine(testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                                          testing::Values(Ending::kReset, Ending::kEnd)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == TlsVersion::kTls12
                                                  ? "Tls12"
                                                  : "Tls13") +
                                  (std::get<1>(test.param) == Ending::kReset ? "Reset" : "End");
                         });

}  // namespace
}  // namespace weft
