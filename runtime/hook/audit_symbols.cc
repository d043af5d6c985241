#include "hook/audit_symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

namespace weft::hook {

namespace {

std::string hex(std::uintptr_t number) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

std::string demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 && text != nullptr ? text.get() : name;
}

std::string base_name(const char* path) {
  const char* const slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

}  // namespace

// The symbols of a file that were for the linker only: dladdr(3) knows but those that are exported,
// and few of a program's are.
class Symbols::Module {
 public:
  explicit Module(const std::string& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat status;
    if (::fstat(fd, &status) == 0 && status.st_size > 0) {
      const auto size = static_cast<std::size_t>(status.st_size);
      void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
      if (memory != MAP_FAILED) image_ = {static_cast<const std::byte*>(memory), size};
    }
    ::close(fd);
    find_symbols();
  }
  ~Module() {
    if (!image_.empty()) ::munmap(const_cast<std::byte*>(image_.data()), image_.size());
  }
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// The function at `address`, as linked; null if there is none known. `start` is where it begins.
  const char* find(std::uintptr_t address, std::uintptr_t& start) const noexcept {
    for (const ElfW(Sym) & symbol : symbols_) {
      const bool is_function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC;
      if (!is_function || symbol.st_shndx == SHN_UNDEF) continue;
      if (address - symbol.st_value >= symbol.st_size) continue;
      if (symbol.st_name >= names_.size()) continue;
      start = symbol.st_value;
      return names_.data() + symbol.st_name;
    }
    return nullptr;
  }

 private:
  // Nothing where the file is not what it should be, or ends too early.
  template <class T>
  std::span<const T> view(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    if (offset > image_.size() || bytes > image_.size() - offset) return {};
    return {reinterpret_cast<const T*>(image_.data() + offset), bytes / sizeof(T)};
  }

  void find_symbols() noexcept {
    const auto header = view<ElfW(Ehdr)>(0, sizeof(ElfW(Ehdr)));
    if (header.empty() || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0) return;
    const auto sections =
        view<ElfW(Shdr)>(header[0].e_shoff, std::uint64_t{header[0].e_shnum} * sizeof(ElfW(Shdr)));
    for (const ElfW(Shdr) & section : sections) {
      if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
      const ElfW(Shdr)& strings = sections[section.sh_link];
      symbols_ = view<ElfW(Sym)>(section.sh_offset, section.sh_size);
      names_ = view<char>(strings.sh_offset, strings.sh_size);
      if (!names_.empty() && names_.back() != '\0') names_ = {};
      return;
    }
  }

  std::span<const std::byte> image_;
  std::span<const ElfW(Sym)> symbols_;
  std::span<const char> names_;
};

Symbols::Symbols() = default;
Symbols::~Symbols() = default;

const Symbols::Module& Symbols::module_of(const std::string& file) {
  std::unique_ptr<Module>& module = modules_[file];
  if (module == nullptr) module = std::make_unique<Module>(file);
  return *module;
}

Place Symbols::find(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  Place place;
  place.in_file = at;
  // What is looked up is the call itself, which may be the last instruction of its function.
  const auto call = at - 1;
  Dl_info info{};
  link_map* map = nullptr;
  if (::dladdr1(reinterpret_cast<void*>(call), &info, reinterpret_cast<void**>(&map),
                RTLD_DL_LINKMAP) == 0 ||
      info.dli_fname == nullptr) {
    return place;
  }
  place.file = base_name(info.dli_fname);
  place.in_file = at - map->l_addr;
  if (info.dli_sname != nullptr) {
    place.function = info.dli_sname;
    place.in_function = at - reinterpret_cast<std::uintptr_t>(info.dli_saddr);
    return place;
  }
  // The program itself has no name in the list of what is loaded.
  const bool is_program = map->l_name == nullptr || *map->l_name == '\0';
  std::uintptr_t start = 0;
  const char* const name =
      module_of(is_program ? "/proc/self/exe" : map->l_name).find(call - map->l_addr, start);
  if (name != nullptr) {
    place.function = name;
    place.in_function = place.in_file - start;
  }
  return place;
}

std::string Place::text() const {
  if (file.empty()) return hex(in_file);
  const std::string call =
      function.empty() ? "" : demangle(function.c_str()) + "+" + hex(in_function) + " ";
  return call + "(" + file + "+" + hex(in_file) + ")";
}

}  // namespace weft::hook
