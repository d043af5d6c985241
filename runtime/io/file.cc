#include <weft/error.h>
#include <weft/file.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "io/buffered.h"
#include "io/file_operations.h"
#include "io/file_state.h"
#include "io/io_error.h"
#include "io/stream_state.h"

namespace weft {

using detail::FileState;
using detail::IoResult;

namespace {

void check(const IoResult& result, const char* operation, const FileState& file) {
  if (result.error != 0) detail::throw_io_error(result.error, operation, file.name());
}

// The kernel's offsets are signed.
constexpr auto kLargestOffset = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

void check_offset(std::uint64_t offset, std::uint64_t count, const char* operation,
                  const FileState& file) {
  if (offset > kLargestOffset || count > kLargestOffset - offset) {
    detail::throw_io_error(EOVERFLOW, operation, file.name());
  }
}

std::span<std::byte> up_to_largest_offset(std::span<std::byte> into, std::uint64_t offset) {
  return into.first(
      static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), kLargestOffset - offset)));
}

std::size_t read_some_at(const FileState& file, std::span<std::byte> into, std::uint64_t offset) {
  const IoResult result = detail::file_operations().read_at(file.descriptor, into, offset);
  check(result, "read", file);
  return result.count;
}

}  // namespace

File::File() noexcept = default;
File::File(std::unique_ptr<FileState> state) noexcept : state_(std::move(state)) {}
File::File(File&& other) noexcept = default;
File& File::operator=(File&& other) noexcept = default;
File::~File() = default;

FileState& File::state(const char* operation) const {
  if (state_ == nullptr) detail::throw_io_error(EBADF, operation, "(no file)");
  return *state_;
}

File File::open(const std::string& path, int flags, mode_t mode) {
  detail::check_path(path, "open");
  detail::Descriptor opened;
  const IoResult result = detail::file_operations().open(path, flags, mode, opened);
  if (result.error != 0) detail::throw_io_error(result.error, "open", '\'' + path + '\'');
  return File(std::make_unique<FileState>(std::move(opened), path));
}

// ---- Anywhere.

std::size_t File::read_at(std::span<std::byte> into, std::uint64_t offset) const {
  const FileState& self = state("read");
  check_offset(offset, into.size(), "read", self);
  std::size_t got = 0;
  while (got < into.size()) {
    const std::size_t count = read_some_at(self, into.subspan(got), offset + got);
    if (count == 0) break;
    got += count;
  }
  return got;
}

void File::write_at(std::span<const std::byte> data, std::uint64_t offset) const {
  const FileState& self = state("write");
  check_offset(offset, data.size(), "write", self);
  while (!data.empty()) {
    const IoResult result = detail::file_operations().write_at(self.descriptor, data, offset);
    check(result, "write", self);
    data = data.subspan(result.count);
    offset += result.count;
  }
}

void File::write_at(std::string_view text, std::uint64_t offset) const {
  write_at(std::as_bytes(std::span(text)), offset);
}

// ---- One after the other.

namespace {

// A file as what buffered.h reads from. The position follows when that has succeeded.
class Following {
 public:
  explicit Following(FileState& file) noexcept
      : file_(file), next_(file.position + file.ahead.size()) {}

  detail::ReadBuffer& received() const noexcept { return file_.ahead; }
  std::size_t receive(std::span<std::byte> into) const {
    check_offset(next_, 0, "read", file_);
    const std::size_t count = read_some_at(file_, up_to_largest_offset(into, next_), next_);
    next_ += count;
    return count;
  }
  std::string name() const { return file_.name(); }
  void drop() const noexcept { file_.ahead = {}; }
  void move_on() const noexcept { file_.position = next_ - file_.ahead.size(); }

 private:
  FileState& file_;
  mutable std::uint64_t next_;  // behind what is known
};

// By read_exactly(), of what it had when it failed: that is still in the file.
void put_back(const Following& source, std::span<const std::byte>) noexcept { source.drop(); }

template <class Read>
auto read_on(FileState& file, const char* operation, Read read) {
  if (!file.descriptor.is_open()) detail::throw_io_error(EBADF, operation, file.name());
  const Following source(file);
  try {
    auto result = read(source);
    source.move_on();
    return result;
  } catch (...) {
    if (file.ahead.size() > detail::ReadBuffer::kMostKept) source.drop();
    throw;
  }
}

}  // namespace

std::size_t File::read_some(std::span<std::byte> into) {
  FileState& self = state("read");
  if (into.empty()) return 0;
  return read_on(self, "read", [&](const Following& source) {
    return source.received().empty() ? source.receive(into) : source.received().take(into);
  });
}

void File::read_exactly(std::span<std::byte> into) {
  read_on(state("read_exactly from"), "read_exactly from", [&](const Following& source) {
    detail::read_exactly(source, into);
    return true;
  });
}

std::string File::read_until(std::string_view delimiter, std::size_t limit) {
  return read_on(state("read_until from"), "read_until from", [&](const Following& source) {
    return detail::read_until(source, delimiter, limit);
  });
}

std::optional<std::string> File::read_line(std::size_t limit) {
  return read_on(state("read_line from"), "read_line from",
                 [&](const Following& source) { return detail::read_line(source, limit); });
}

std::string File::read_to_end(std::size_t limit) {
  return read_on(state("read_to_end from"), "read_to_end from",
                 [&](const Following& source) { return detail::read_to_end(source, limit); });
}

void File::write_all(std::span<const std::byte> data) {
  FileState& self = state("write");
  self.ahead = {};
  write_at(data, self.position);
  self.position += data.size();
}

void File::write_all(std::string_view text) { write_all(std::as_bytes(std::span(text))); }

std::uint64_t File::position() const noexcept { return state_ != nullptr ? state_->position : 0; }
void File::seek(std::uint64_t position) {
  FileState& self = state("seek");
  self.ahead = {};
  self.position = position;
}

// ---- The file as a whole.

std::uint64_t File::size() const {
  const FileState& self = state("size of");
  std::uint64_t size = 0;
  check(detail::file_operations().size(self.descriptor, size), "size of", self);
  return size;
}

void File::truncate(std::uint64_t size) const {
  const FileState& self = state("truncate");
  check_offset(size, 0, "truncate", self);
  check(detail::file_operations().truncate(self.descriptor, size), "truncate", self);
}

void File::sync() const {
  const FileState& self = state("sync");
  check(detail::file_operations().sync(self.descriptor, true), "sync", self);
}

void File::sync_data() const {
  const FileState& self = state("sync");
  check(detail::file_operations().sync(self.descriptor, false), "sync", self);
}

void File::close() noexcept {
  if (state_ != nullptr) state_->descriptor.close();
}

bool File::is_open() const noexcept { return state_ != nullptr && state_->descriptor.is_open(); }
int File::native_handle() const noexcept { return is_open() ? state_->descriptor.fd() : -1; }
const std::string& File::path() const { return state("path of").path; }

// ---- From a file to a stream.

namespace {

// A stream as something that has write_all() and nothing else.
struct PlainWriter {
  Stream& stream;
  void write_all(std::span<const std::byte> data) const { stream.write_all(data); }
};

// A call on what others have open, too, might block the worker.
bool is_shared(const detail::StreamState& stream) noexcept {
  return stream.kind == detail::StreamKind::kSharedSocket ||
         stream.kind == detail::StreamKind::kSharedFile || stream.kind == detail::StreamKind::kDisk;
}

bool cannot_be_sent(int error) noexcept {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == ESPIPE;
}

}  // namespace

std::uint64_t copy(const File& from, Stream& to, std::uint64_t offset, std::uint64_t count) {
  const FileState& file = from.state("copy");
  const detail::StreamState& stream = detail::StreamAccess::state(to, "copy to");
  check_offset(offset, 0, "copy", file);
  if (is_shared(stream)) {
    PlainWriter writer{to};
    return copy(from, writer, offset, count);
  }
  const auto are_open = [&] { return file.descriptor.is_open() && stream.descriptor.is_open(); };
  const auto names = [&] { return file.name() + " to " + stream.name(); };
  return detail::told_of_close(are_open, "copy", names, [&] {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
    std::uint64_t done = 0;
    while (done < count) {
      const auto size = static_cast<std::size_t>(std::min(count - done, kMost));
      IoResult result =
          detail::file_operations().send(file.descriptor, offset + done, size, stream.descriptor);
      if (cannot_be_sent(result.error)) {
        PlainWriter writer{to};
        return done + copy(from, writer, offset + done, count - done);
      }
      if (result.error == EAGAIN) {
        result =
            detail::need_reactor("copy").wait_ready(stream.descriptor, detail::Direction::kWrite);
        if (result.error == 0) continue;
      }
      if (result.error != 0) detail::throw_io_error(result.error, "copy", names());
      if (result.count == 0) break;
      done += result.count;
    }
    return done;
  });
}

}  // namespace weft
