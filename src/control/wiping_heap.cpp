// Linked into the programs that handle SAKs: whatever the C++ heap takes back is wiped first.
//
// Our own containers for secrets wipe themselves (wipe.hpp); this is for copies that are not ours
// to place, such as the token buffer of the JSON library's lexer. The control thread frees so
// little, and workers nothing at all, that the time does not matter.
//
// The other forms of new and delete, but those for over-aligned types, are defined by the standard
// library in terms of these two.

#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

void* operator new(std::size_t size) {
    for (;;) {
        if (void* memory = std::malloc(size == 0 ? 1 : size))
            return memory;
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr)
            throw std::bad_alloc();
        handler();
    }
}

void operator delete(void* memory) noexcept {
    if (memory == nullptr)
        return;
    explicit_bzero(memory, malloc_usable_size(memory));
    std::free(memory);
}

// The compiler warns of one without the other.
void operator delete(void* memory, std::size_t) noexcept {
    operator delete(memory);
}
