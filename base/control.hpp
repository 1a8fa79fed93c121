#pragma once

namespace earshot {

// The control characters of Unicode (C0, delete, C1): they break lines in logs, and steer terminals, the latter half no
// less than the former (U+009B begins a command as ESC [ does).
constexpr bool is_control(char32_t character) { return character < 0x20 || (character >= 0x7f && character < 0xa0); }

}  // namespace earshot
