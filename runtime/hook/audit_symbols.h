#pragma once

// Code addresses, for people.

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace weft::hook {

struct Place {
  std::string function;  ///< as the linker knows it; "" if it does not
  std::uintptr_t in_function = 0;
  std::string file;  ///< "" if the address is in none
  std::uintptr_t in_file = 0;

  /// "FUNCTION+0x12 (FILE+0x1234)", where FILE+0x1234 is what addr2line(1) asks for.
  std::string text() const;
};

/// Keeps what it has looked up, for as long as it lives.
class Symbols {
 public:
  Symbols();
  ~Symbols();
  Symbols(const Symbols&) = delete;
  Symbols& operator=(const Symbols&) = delete;

  /// `address` is one that a call returns to.
  Place find(const void* address);

 private:
  class Module;

  const Module& module_of(const std::string& file);

  std::map<std::string, std::unique_ptr<Module>> modules_;
};

}  // namespace weft::hook
