#pragma once

// What is hard to keep as it is when system calls are made by somebody else, or interrupted. Each
// tells what came of it on standard output.

namespace hook_audit {

void meet_signals();
void make_children();
void keep_registers();

}  // namespace hook_audit
