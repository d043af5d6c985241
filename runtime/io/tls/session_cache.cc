#include "io/tls/session_cache.h"

#include <utility>

namespace weft::detail {

void TlsSessionCache::put(const std::string& server, SslSessionPtr session) {
  if (!enabled()) return;
  const std::lock_guard guard(mutex_);
  auto found = by_server_.find(server);
  if (found == by_server_.end()) {
    if (entries_.size() == most_) {
      by_server_.erase(entries_.back().server);
      entries_.pop_back();
    }
    entries_.push_front({server, {}});
    try {
      found = by_server_.emplace(server, entries_.begin()).first;
    } catch (...) {
      entries_.pop_front();
      throw;
    }
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  std::vector<SslSessionPtr>& sessions = entries_.front().sessions;
  if (sessions.size() == kMostEach) sessions.erase(sessions.begin());
  sessions.push_back(std::move(session));
}

SslSessionPtr TlsSessionCache::take(const std::string& server) {
  const std::lock_guard guard(mutex_);
  const auto found = by_server_.find(server);
  if (found == by_server_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  std::vector<SslSessionPtr>& sessions = entries_.front().sessions;
  if (sessions.empty()) return nullptr;
  SSL_SESSION* const newest = sessions.back().get();
  if (SSL_SESSION_get_protocol_version(newest) < TLS1_3_VERSION &&
      SSL_SESSION_up_ref(newest) == 1) {
    return SslSessionPtr(newest);
  }
  SslSessionPtr taken = std::move(sessions.back());
  sessions.pop_back();
  return taken;
}

}  // namespace weft::detail
