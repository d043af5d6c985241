#include "io/tls/wire.h"

#include <algorithm>
#include <new>

namespace weft::detail {

BIO_METHOD* Wire::method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* const fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft wire");
    if (fresh == nullptr) throw std::bad_alloc();
    BIO_meth_set_write_ex(fresh, &Wire::write);
    BIO_meth_set_read_ex(fresh, &Wire::read);
    BIO_meth_set_ctrl(fresh, &Wire::control);
    return fresh;  // kept for good, as BIOs may be until the very end
  }();
  return made;
}

BioPtr Wire::make_bio() {
  BioPtr bio(BIO_new(method()));
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  return bio;
}

int Wire::write(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept {
  Wire& self = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    self.output_.insert(self.output_.end(), bytes.begin(), bytes.end());
  } catch (const std::bad_alloc&) {
    return 0;  // an error without a reason, which ends the connection
  }
  *written = size;
  return 1;
}

int Wire::read(BIO* bio, char* into, std::size_t size, std::size_t* got) noexcept {
  Wire& self = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *got = std::min(size, self.end_ - self.begin_);
  if (*got == 0) {
    if (!self.ended_) BIO_set_retry_read(bio);
    return 0;
  }
  std::copy_n(self.storage_.data() + self.begin_, *got, reinterpret_cast<std::byte*>(into));
  self.begin_ += *got;
  return 1;
}

long Wire::control(BIO* bio, int command, long, void*) noexcept {
  const Wire& self = *static_cast<const Wire*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:  // how OpenSSL tells an end from a failure
      return self.ended_ && self.empty() ? 1 : 0;
    default:
      return 0;
  }
}

}  // namespace weft::detail
