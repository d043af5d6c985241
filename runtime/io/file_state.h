#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "reactor/fd_table.h"

namespace weft::detail {

struct FileState {
  FileState(Descriptor&& owned, std::string opened_as)
      : descriptor(std::move(owned)), path(std::move(opened_as)) {}

  std::string name() const { return '\'' + path + '\''; }

  Descriptor descriptor;
  const std::string path;
  std::uint64_t position = 0;  // by whoever reads or writes one after the other
};

}  // namespace weft::detail
