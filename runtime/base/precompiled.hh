// What many sources include, for the compiler to parse once. Only what never changes: a header of this
// tree would have all of it compiled again. No #pragma once: the compiler gets this as its main file.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
