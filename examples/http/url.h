#pragma once

#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace web {

struct Url {
  std::string text;       // as it was given
  bool secure = false;    // by TLS
  std::string authority;  // what the Host field says
  std::string host;
  std::uint16_t port = 80;
  std::string target;  // path and query
};

[[noreturn]] inline void refuse(std::string_view text, const char* why) {
  throw std::invalid_argument("\"" + std::string(text) + "\": " + why);
}

// Splits "name:8080" and "[::1]:8080".
inline void split_authority(Url& url) {
  const std::string_view authority = url.authority;
  if (authority.find('@') != authority.npos) refuse(url.text, "user names are not supported");
  const bool bracketed = authority.starts_with('[');
  const std::size_t host_end = authority.find(bracketed ? ']' : ':');
  url.host = authority.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
  const char* const allowed =
      bracketed ? "0123456789abcdefABCDEF:."
                : "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._";
  if (bracketed && host_end == authority.npos)
    refuse(url.text, "the ] after the address is missing");
  if (url.host.empty()) refuse(url.text, "no host");
  if (url.host.find_first_not_of(allowed) != authority.npos) refuse(url.text, "not a host name");

  const std::size_t rest_begin = bracketed ? host_end + 1 : host_end;
  if (rest_begin >= authority.size()) return;
  const std::string_view digits = authority.substr(rest_begin + 1);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), url.port);
  if (authority[rest_begin] != ':' || error != std::errc() || end != digits.end() ||
      url.port == 0) {
    refuse(url.text, "the port must be a number from 1 to 65535");
  }
}

// Throws std::invalid_argument that says what is wrong. Of all URLs only those of HTTP: no user
// names, and no characters that ought to be percent-encoded.
inline Url parse_url(std::string_view text) {
  constexpr std::string_view kPlain = "http://", kSecure = "https://";
  Url url;
  url.secure = text.starts_with(kSecure);
  if (!url.secure && !text.starts_with(kPlain)) {
    refuse(text, "only URLs that begin with http:// or https:// can be fetched");
  }
  if (url.secure) url.port = 443;
  for (const char c : text) {
    if (c <= ' ' || c > '~') refuse(text, "spaces and the like must be percent-encoded");
  }
  const std::string_view beyond = text.substr(url.secure ? kSecure.size() : kPlain.size());
  const std::string_view rest = beyond.substr(0, beyond.find('#'));
  const std::size_t authority_end = rest.find_first_of("/?");
  url.text = text;
  url.authority = rest.substr(0, authority_end);
  url.target = authority_end == rest.npos ? "" : rest.substr(authority_end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  split_authority(url);
  return url;
}

}  // namespace web
