#include <sys/stat.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/file.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/random.h"
#include "io/io_error.h"
#include "io/pool_call.h"
#include "sched/wait.h"

namespace weft {

namespace {

// These read errno and never suspend.

[[gnu::noinline]] int rename_file(const std::string& from, const std::string& to) noexcept {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

// A rename is on the disk when its folder is.
[[gnu::noinline]] int sync_folder(const std::string& path) noexcept {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return error == EINVAL ? 0 : error;  // of a file system that has nothing to sync
}

[[gnu::noinline]] int mode_of(const std::string& path, mode_t& mode) noexcept {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno;
  mode = status.st_mode & 07777;
  return 0;
}

// "folder/" of "folder/name"; "" for a bare name.
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// A name beside `path` that nobody has.
std::string name_beside(const std::string& path) {
  const std::string folder = folder_of(path);
  std::array<char, 24> ending{};
  std::snprintf(ending.data(), ending.size(), ".%08x%08x.new", detail::random_below(UINT32_MAX),
                detail::random_below(UINT32_MAX));
  // Not too long a name, where that of the file is as long as can be.
  return folder + '.' + path.substr(folder.size(), 100) + ending.data();
}

// What cannot be removed stays, which hurts nobody; the error that led here is told already.
void remove_file(const std::string& path) noexcept {
  const auto remove = [&path]() noexcept { ::unlink(path.c_str()); };
  try {
    detail::on_pool(remove, detail::Cancellable::kNo);
  } catch (const std::exception&) {
    remove();  // no thread for it
  }
}

File create_beside(const std::string& path, mode_t mode) {
  constexpr int kAttempts = 100;
  for (int attempt = 0;; ++attempt) {
    const std::string name = name_beside(path);
    try {
      return File::open(name, O_WRONLY | O_CREAT | O_EXCL, mode);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::file_exists || attempt == kAttempts) throw;
    } catch (...) {
      remove_file(name);  // cancelled, or without memory: it may have been created all the same
      throw;
    }
  }
}

// Removed again, unless it has taken its place.
class NewFile {
 public:
  NewFile(const std::string& path, mode_t mode) : file_(create_beside(path, mode)) {}
  ~NewFile() {
    if (!in_place_) remove_file(file_.path());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  const File& file() const noexcept { return file_; }
  void take_the_place_of(const std::string& path) {
    // No memory is asked for where nothing may be thrown.
    const std::string named = folder_of(path);
    const std::string folder = named.empty() ? "." : named;
    int renamed = 0, synced = 0;
    const auto move = [&]() noexcept {
      renamed = rename_file(file_.path(), path);
      if (renamed != 0) return;
      in_place_ = true;
      synced = sync_folder(folder);
    };
    try {
      detail::on_pool(move);
    } catch (const Cancelled&) {
      if (!in_place_) throw;
      // It has happened, so it is told; the cancellation is for the next wait.
      detail::put_cancellation_back();
    }
    if (renamed != 0) detail::throw_io_error(renamed, "replace", '\'' + path + '\'');
    if (synced != 0) detail::throw_io_error(synced, "sync the folder of", '\'' + path + '\'');
  }

 private:
  File file_;
  bool in_place_ = false;
};

void replace_file(const std::string& path, std::span<const std::byte> data,
                  const WriteFileOptions& options) {
  detail::check_path(path, "replace");
  mode_t mode = options.mode;
  int missing = 0;
  detail::on_pool([&]() noexcept { missing = mode_of(path, mode); });
  NewFile fresh(path, mode);
  if (missing == 0) {
    // Exactly those: what the process masks is for new files.
    int error = 0;
    detail::on_pool(
        [&]() noexcept { error = ::fchmod(fresh.file().native_handle(), mode) == 0 ? 0 : errno; });
    if (error != 0) detail::throw_io_error(error, "set the mode of", fresh.file().path());
  }
  fresh.file().write_at(data, 0);
  fresh.file().sync();
  fresh.take_the_place_of(path);
}

}  // namespace

std::string read_file(const std::string& path, std::size_t limit) {
  const File file = File::open(path);
  // What it says is a hint: it may grow meanwhile, and those of /proc have none.
  const std::uint64_t size = file.size();
  constexpr std::size_t kLeast = 4096;
  std::string text;
  std::size_t room = size < limit ? static_cast<std::size_t>(size) : limit;
  for (;;) {
    // One more than is expected, or allowed, to see whether there is more.
    const std::size_t got = text.size();
    text.resize(got + (room > 0 ? room : kLeast) + 1);
    const std::size_t wanted = text.size() - got;
    const std::size_t count =
        file.read_at(std::as_writable_bytes(std::span(text)).subspan(got), got);
    text.resize(got + count);
    if (text.size() > limit) {
      throw LimitExceeded("read_file '" + path + "': more than " + std::to_string(limit) +
                          " bytes");
    }
    if (count < wanted) return text;
    room = text.size() < limit - text.size() ? text.size() : limit - text.size();
  }
}

void write_file(const std::string& path, std::span<const std::byte> data,
                const WriteFileOptions& options) {
  if (options.atomically) return replace_file(path, data, options);
  const File file = File::open(path, O_WRONLY | O_CREAT | O_TRUNC, options.mode);
  file.write_at(data, 0);
}

void write_file(const std::string& path, std::string_view text, const WriteFileOptions& options) {
  write_file(path, std::as_bytes(std::span(text)), options);
}

}  // namespace weft
