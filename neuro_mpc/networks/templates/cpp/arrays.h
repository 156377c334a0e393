// Replaces how the program allocates its arrays: each begins at a cache line, so that fewer vectors cross one, and large
// ones at different lines of a page, as the first-level cache holds few lines that lie at the same place of their pages.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

__attribute__((noinline)) void* operator new[](std::size_t bytes)
{
    static const std::size_t line = 64, lines_of_page = 64, stride = 7; // odd, so that all lines of a page get their turn
    static std::atomic<std::size_t> arrays{0};
    const std::size_t shift = bytes < line * lines_of_page ? 0 : arrays++ * stride % lines_of_page * line;
    void* const allocated = std::malloc(bytes + shift + line);
    if (!allocated)
        throw std::bad_alloc();
    const std::uintptr_t next_line = (reinterpret_cast<std::uintptr_t>(allocated) + line) / line * line;
    char* const aligned = reinterpret_cast<char*>(next_line + shift);
    // What is to be freed is told just before the array: malloc aligns to more than the size of a pointer, so that
    // there is room.
    reinterpret_cast<void**>(aligned)[-1] = allocated;
    return aligned;
}

__attribute__((noinline)) void operator delete[](void* array) noexcept
{
    if (array)
        std::free(static_cast<void**>(array)[-1]);
}

void operator delete[](void* array, std::size_t) noexcept { operator delete[](array); }
